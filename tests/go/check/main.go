// Command check tells what the Go library of NATS, the one inside nats-server, thinks of tokens.
//
// It reads one token a line and writes one JSON object a line: an error if the token cannot be decoded, the issues of
// its validation, and whether the library would write the same payload.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"log"
	"os"
	"strings"
	_ "time/tzdata" // zones of `times_location`, wherever this runs

	"github.com/nats-io/jwt/v2"
)

type verdict struct {
	Type   jwt.ClaimType `json:"type"`
	Error  string        `json:"error,omitempty"`
	Issues []string      `json:"issues"`
	Same   bool          `json:"same"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 2*jwt.MaxTokenSize)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		if err := out.Encode(judge(lines.Text())); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

func judge(token string) verdict {
	claims, err := decode(token)
	if err != nil {
		return verdict{Error: err.Error(), Issues: []string{}}
	}
	found := verdict{Type: claims.ClaimType(), Issues: []string{}}
	results := jwt.CreateValidationResults()
	claims.Validate(results)
	for _, issue := range results.Issues {
		found.Issues = append(found.Issues, issue.Description)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return verdict{Error: err.Error(), Issues: []string{}}
	}
	again, err := json.Marshal(claims)
	if err != nil {
		return verdict{Error: err.Error(), Issues: []string{}}
	}
	found.Same = bytes.Equal(payload, again)
	return found
}

// Decode of the library takes generic claims for a version 1 token and looks for a signature of the payload alone.
func decode(token string) (jwt.Claims, error) {
	claims, err := jwt.Decode(token)
	if err == nil {
		return claims, nil
	}
	if generic, genericErr := jwt.DecodeGeneric(token); genericErr == nil && generic.ClaimType() == jwt.GenericClaim {
		return generic, nil
	}
	return nil, err
}
