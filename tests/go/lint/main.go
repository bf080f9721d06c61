// lint says what zlint finds wrong with certificates and CRLs, by the lints of the RFCs.
//
// Each line of its input is one, base64 of DER after the word "certificate" or "crl"; each line of its output is the
// findings of one: lint, status, and what it says, as JSON.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"log"
	"os"
	"strings"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

type finding struct {
	Lint    string `json:"lint"`
	Status  string `json:"status"`
	Details string `json:"details"`
}

func main() {
	// The other sources are for the web: the CA/Browser Forum, browsers' root stores, ETSI.
	registry, err := lint.GlobalRegistry().Filter(lint.FilterOptions{
		IncludeSources: lint.SourceList{lint.RFC3279, lint.RFC5280, lint.RFC5480, lint.RFC5891, lint.RFC6960, lint.RFC6962, lint.RFC8813, lint.Community},
	})
	if err != nil {
		log.Fatal(err)
	}
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 1<<24)
	output := json.NewEncoder(os.Stdout)
	for input.Scan() {
		kind, text, _ := strings.Cut(input.Text(), " ")
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			log.Fatal(err)
		}
		if err := output.Encode(findings(examine(kind, der, registry))); err != nil {
			log.Fatal(err)
		}
	}
}

func examine(kind string, der []byte, registry lint.Registry) *zlint.ResultSet {
	if kind == "crl" {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			log.Fatal(err)
		}
		return zlint.LintRevocationListEx(list, registry)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	return zlint.LintCertificateEx(certificate, registry)
}

func findings(results *zlint.ResultSet) []finding {
	found := []finding{}
	for name, result := range results.Results {
		if result.Status >= lint.Notice {
			found = append(found, finding{name, result.Status.String(), result.Details})
		}
	}
	return found
}
