package golden

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

const path = "../../nats/golden.json"

var update = flag.Bool("update", false, "write "+path+" instead of comparing with it")

// The library stamps tokens with the time it encodes them at, and offers no other: a synctest bubble has its own clock.
var issuedAt = time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)

type document struct {
	IssuedAt int64             `json:"issued_at"`
	Seeds    map[string]string `json:"seeds"`
	Tokens   map[string]string `json:"tokens"`
	Creds    map[string]string `json:"creds"`
}

func TestGoldenVectorsAreWhatTheLibraryWrites(t *testing.T) {
	var found []byte
	synctest.Test(t, func(*testing.T) {
		time.Sleep(time.Until(issuedAt))
		found = write()
	})
	if *update {
		if err := os.WriteFile(path, found, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	committed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, found) {
		t.Fatalf("%s is out of date: run go test ./golden -update", path)
	}
}

func write() []byte {
	out := document{
		IssuedAt: issuedAt.Unix(), Seeds: map[string]string{}, Tokens: map[string]string{}, Creds: map[string]string{},
	}
	for _, key := range []nkeys.KeyPair{
		operator, operatorSign, account, accountSign, accountScope, accountLeast, exporter, user, otherUser, server,
		cluster, curve,
	} {
		out.Seeds[public(key)] = string(must(key.Seed()))
	}
	for name, vector := range vectors() {
		out.Tokens[name] = must(vector.claims.Encode(vector.signer))
		if vector.claims.ClaimType() == jwt.UserClaim {
			out.Creds[name] = string(must(jwt.FormatUserConfig(out.Tokens[name], must(user.Seed()))))
		}
	}
	return append(must(json.MarshalIndent(out, "", "  ")), '\n')
}
