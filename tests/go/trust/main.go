// Trust makes the trust root of a NATS deployment that somebody set up by hand, and prints it as one JSON object.
//
// A strict operator with one signing key, its system account with one user, and an account "mir" with users of its own:
// all that its owner has, and so what a takeover may be given or must leave alone.
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

const month = 30 * 24 * time.Hour

type trust struct {
	OperatorJWT         string `json:"operator_jwt"`
	OperatorSigningSeed string `json:"operator_signing_seed"`
	SystemAccount       string `json:"system_account"`
	SystemAccountJWT    string `json:"system_account_jwt"`
	SystemCreds         string `json:"system_creds"`
	Account             string `json:"account"`
	AccountJWT          string `json:"account_jwt"`
	Lasting             user   `json:"lasting_user"`
	Expiring            user   `json:"expiring_user"`
	Revoked             user   `json:"revoked_user"`
}

type user struct {
	Name      string `json:"name"`
	PublicKey string `json:"public_key"`
	Seed      string `json:"seed"`
	JWT       string `json:"jwt"`
	Creds     string `json:"creds"`
}

// issuer is an account and the key that signs its users: a strict operator does not let the account's own key do it.
type issuer struct {
	account string
	signer  nkeys.KeyPair
}

func main() {
	operator, signer := must(nkeys.CreateOperator()), must(nkeys.CreateOperator())
	system := issuer{public(must(nkeys.CreateAccount())), must(nkeys.CreateAccount())}
	mir := issuer{public(must(nkeys.CreateAccount())), must(nkeys.CreateAccount())}

	revoked := mir.deviceUser("pump-09", 0)
	made := trust{
		OperatorJWT:         must(operatorClaims(operator, signer, system.account).Encode(operator)),
		OperatorSigningSeed: string(must(signer.Seed())),
		SystemAccount:       system.account,
		SystemAccountJWT:    must(systemClaims(system).Encode(signer)),
		SystemCreds:         system.user("sys", func(*jwt.UserClaims) {}).Creds,
		Account:             mir.account,
		AccountJWT:          must(mirClaims(mir, revoked.PublicKey).Encode(signer)),
		Lasting:             mir.deviceUser("weather-01", 0),
		Expiring:            mir.deviceUser("pump-07", month),
		Revoked:             revoked,
	}
	if err := json.NewEncoder(os.Stdout).Encode(made); err != nil {
		log.Fatal(err)
	}
}

func operatorClaims(operator, signer nkeys.KeyPair, system string) *jwt.OperatorClaims {
	claims := jwt.NewOperatorClaims(public(operator))
	claims.Name = "mir"
	claims.SystemAccount = system
	claims.StrictSigningKeyUsage = true
	claims.SigningKeys.Add(public(signer))
	return claims
}

// systemClaims lets every account monitor itself, as a system account made by nsc does.
func systemClaims(system issuer) *jwt.AccountClaims {
	claims := jwt.NewAccountClaims(system.account)
	claims.Name = "SYS"
	claims.SigningKeys.Add(public(system.signer))
	claims.Exports = jwt.Exports{
		{
			Name: "account-monitoring-services", Subject: "$SYS.REQ.ACCOUNT.*.*", Type: jwt.Service,
			ResponseType: jwt.ResponseTypeStream, AccountTokenPosition: 4,
		},
		{
			Name: "account-monitoring-streams", Subject: "$SYS.ACCOUNT.*.>", Type: jwt.Stream, AccountTokenPosition: 3,
		},
	}
	return claims
}

func mirClaims(mir issuer, revoked string) *jwt.AccountClaims {
	claims := jwt.NewAccountClaims(mir.account)
	claims.Name = "mir"
	claims.Limits.Conn = 1000
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: 64 << 20, DiskStorage: 256 << 20, Streams: 20, Consumer: 100,
	}
	claims.Exports = jwt.Exports{{Name: "events", Subject: "event.>", Type: jwt.Stream}}
	claims.SigningKeys.Add(public(mir.signer))
	claims.Revoke(revoked)
	return claims
}

// deviceUser may do what a device does; a lifetime of 0 never ends.
func (i issuer) deviceUser(id string, lifetime time.Duration) user {
	return i.user(id, func(claims *jwt.UserClaims) {
		if lifetime > 0 {
			claims.Expires = time.Now().Add(lifetime).Unix()
		}
		claims.Permissions.Pub.Allow.Add("device." + id + ".>")
		claims.Permissions.Sub.Allow.Add(id+".>", "_INBOX.>")
	})
}

func (i issuer) user(name string, restrict func(*jwt.UserClaims)) user {
	key := must(nkeys.CreateUser())
	claims := jwt.NewUserClaims(public(key))
	claims.Name = name
	claims.IssuerAccount = i.account
	restrict(claims)
	token, seed := must(claims.Encode(i.signer)), must(key.Seed())
	return user{name, public(key), string(seed), token, string(must(jwt.FormatUserConfig(token, seed)))}
}

func public(key nkeys.KeyPair) string {
	return must(key.PublicKey())
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
