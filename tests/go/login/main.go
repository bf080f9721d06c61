// Login logs in with a creds file as any Go service would, does what it is told line by line, and says what became of it.
//
//	login URL CREDS-FILE INBOX-PREFIX [CA-FILE [CERTIFICATE-FILE KEY-FILE]]
//
// With a CA it insists on TLS with a server that this verifies, and shows its certificate where it has one.
//
// It prints "connected", then for each line "publish SUBJECT" or "request SUBJECT" on its standard input one line
// "allowed" or "refused", and at last "closed" when the server ends the connection. A login that is refused prints
// "refused" and ends with 1.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const patience = 5 * time.Second

func main() {
	url, creds, prefix := os.Args[1], os.Args[2], os.Args[3]
	closed := make(chan struct{})
	violations := make(chan error, 16)
	options := []nats.Option{
		nats.UserCredentials(creds),
		nats.CustomInboxPrefix(prefix),
		nats.NoReconnect(),
		nats.Timeout(patience),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }),
	}
	if files := os.Args[4:]; len(files) > 0 {
		options = append(options, nats.RootCAs(files[0]))
		if len(files) > 1 {
			options = append(options, nats.ClientCert(files[1], files[2]))
		}
	}
	connection, err := nats.Connect(url, options...)
	if err != nil {
		if errors.Is(err, nats.ErrAuthorization) {
			fmt.Println("refused")
		} else {
			fmt.Println("failed:", err)
		}
		os.Exit(1)
	}
	fmt.Println("connected")
	go serve(connection, violations)
	<-closed
	fmt.Println("closed")
}

func serve(connection *nats.Conn, violations chan error) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		verb, subject, _ := strings.Cut(lines.Text(), " ")
		if err := try(connection, violations, verb, subject); err != nil {
			fmt.Println("refused")
		} else {
			fmt.Println("allowed")
		}
	}
}

func try(connection *nats.Conn, violations chan error, verb, subject string) error {
	if verb == "request" {
		_, err := connection.Request(subject, []byte("x"), patience)
		return err
	}
	if err := connection.Publish(subject, []byte("x")); err != nil {
		return err
	}
	// The server answers in order: a refusal is here before the flush is.
	if err := connection.FlushTimeout(patience); err != nil {
		return err
	}
	select {
	case err := <-violations:
		return err
	case <-time.After(100 * time.Millisecond): // the error handler runs beside the flush
		return nil
	}
}
