// Command probe tells from within a pod what it reaches.
//
//	probe listen PORT    accepts connections, and says nothing on them
//	probe reach TARGET…  prints a line for each: "TARGET open" of host:port, "URL 200" of a URL of the API server
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	version  = "1.0.0"
	patience = 3 * time.Second
	account  = "/var/run/secrets/kubernetes.io/serviceaccount/"
)

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "listen":
		listen(os.Args[2])
	case len(os.Args) > 2 && os.Args[1] == "reach":
		for _, target := range os.Args[2:] {
			fmt.Println(target, reach(target))
		}
	default:
		fmt.Println("probe", version)
	}
}

func listen(port string) {
	listener, err := net.Listen("tcp", ":"+port)
	for err == nil {
		_, err = listener.Accept()
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func reach(target string) string {
	if strings.HasPrefix(target, "https://") {
		return ask(target)
	}
	connection, err := net.DialTimeout("tcp", target, patience)
	if err != nil {
		return err.Error()
	}
	connection.Close()
	return "open"
}

func ask(url string) string {
	authorities := x509.NewCertPool()
	if certificate, err := os.ReadFile(account + "ca.crt"); err == nil {
		authorities.AppendCertsFromPEM(certificate)
	}
	client := http.Client{
		Timeout:   patience,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}},
	}
	answer, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	return fmt.Sprint(answer.StatusCode)
}
