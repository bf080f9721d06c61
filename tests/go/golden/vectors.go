// Package golden holds tokens of every type, with every field, as the Go library of NATS writes them.
package golden

import (
	"bytes"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// The key pairs of the vectors: 32 times the same byte is their entropy.
var (
	operator     = pair(nkeys.PrefixByteOperator, 1)
	operatorSign = pair(nkeys.PrefixByteOperator, 2)
	account      = pair(nkeys.PrefixByteAccount, 3)
	accountSign  = pair(nkeys.PrefixByteAccount, 4)
	accountScope = pair(nkeys.PrefixByteAccount, 5)
	accountLeast = pair(nkeys.PrefixByteAccount, 6)
	exporter     = pair(nkeys.PrefixByteAccount, 7)
	user         = pair(nkeys.PrefixByteUser, 8)
	otherUser    = pair(nkeys.PrefixByteUser, 9)
	server       = pair(nkeys.PrefixByteServer, 10)
	cluster      = pair(nkeys.PrefixByteCluster, 11)
	curve        = pair(nkeys.PrefixByteCurve, 12)
)

// Name holds what Go escapes in JSON, what it does not, and text outside of ASCII.
const name = "a<b>&\u2028\u2029\"\\\t\b\f\x1f\x7f é 漢 😀"

const (
	day     = 24 * 60 * 60
	expires = 4102444800
)

type vector struct {
	signer nkeys.KeyPair
	claims jwt.Claims
}

func pair(kind nkeys.PrefixByte, entropy byte) nkeys.KeyPair {
	raw := bytes.Repeat([]byte{entropy}, 32)
	seed := must(nkeys.EncodeSeed(kind, raw))
	if kind == nkeys.PrefixByteCurve {
		return must(nkeys.FromCurveSeed(seed))
	}
	return must(nkeys.FromSeed(seed))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func public(key nkeys.KeyPair) string {
	return must(key.PublicKey())
}

func vectors() map[string]vector {
	return map[string]vector{
		"operator-least":       {operator, jwt.NewOperatorClaims(public(operator))},
		"operator-full":        {operator, operatorFull()},
		"account-least":        {operatorSign, jwt.NewAccountClaims(public(account))},
		"account-self-signed":  {account, jwt.NewAccountClaims(public(account))},
		"account-full":         {operatorSign, accountFull()},
		"account-tiers":        {operatorSign, accountTiers()},
		"account-shut":         {operatorSign, accountShut()},
		"account-old-import":   {operatorSign, accountOldImport()},
		"user-least":           {account, jwt.NewUserClaims(public(user))},
		"user-scoped":          {accountScope, userScoped()},
		"user-full":            {accountSign, userFull()},
		"activation-stream":    {exporter, activation(jwt.Stream, "plant.>")},
		"activation-service":   {accountSign, activationService()},
		"generic":              {server, generic(nil)},
		"generic-of-some-type": {account, generic("audit")},
	}
}

func operatorFull() *jwt.OperatorClaims {
	claims := jwt.NewOperatorClaims(public(operator))
	claims.Name = name
	claims.Audience = "everyone"
	claims.Expires = expires
	claims.NotBefore = day
	claims.SigningKeys = sorted(public(operatorSign), public(operator))
	claims.AccountServerURL = "https://accounts.example.com/jwt/v1"
	claims.OperatorServiceURLs = jwt.StringList{"nats://one.example.com:4222", "tls://two.example.com:4222"}
	claims.SystemAccount = public(accountLeast)
	claims.AssertServerVersion = "2.10.0"
	claims.StrictSigningKeyUsage = true
	claims.Tags = jwt.TagList{"env:prod", "site:lab"}
	return claims
}

func userScoped() *jwt.UserClaims {
	claims := jwt.NewUserClaims(public(user))
	claims.SetScoped(true)
	claims.Name = "weather-01"
	claims.Expires = expires
	claims.IssuerAccount = public(account)
	claims.Tags = jwt.TagList{"site:lab"}
	return claims
}

func userFull() *jwt.UserClaims {
	claims := jwt.NewUserClaims(public(user))
	claims.Name = name
	claims.Audience = "iot"
	claims.Expires = expires
	claims.NotBefore = day
	claims.UserPermissionLimits = grants()
	claims.IssuerAccount = public(account)
	claims.Tags = jwt.TagList{"env:prod", "site:lab"}
	return claims
}

func grants() jwt.UserPermissionLimits {
	return jwt.UserPermissionLimits{
		Permissions: permissions(),
		Limits: jwt.Limits{
			UserLimits: jwt.UserLimits{
				Src:    jwt.CIDRList{"10.0.0.0/8", "2001:db8::/32"},
				Times:  []jwt.TimeRange{{Start: "08:00:00", End: "12:00:00"}, {Start: "13:00:00", End: "17:30:00"}},
				Locale: "Europe/Berlin",
			},
			NatsLimits: jwt.NatsLimits{Subs: 50, Data: 1 << 30, Payload: 65536},
		},
		BearerToken:            true,
		ProxyRequired:          true,
		AllowedConnectionTypes: jwt.StringList{jwt.ConnectionTypeMqtt, jwt.ConnectionTypeStandard},
	}
}

func permissions() jwt.Permissions {
	return jwt.Permissions{
		Pub:  jwt.Permission{Allow: jwt.StringList{"device.a.>", "event.*"}, Deny: jwt.StringList{"$SYS.>", "device.a.x"}},
		Sub:  jwt.Permission{Allow: jwt.StringList{"a.>", "work.* pool.*"}, Deny: jwt.StringList{"a.secret"}},
		Resp: &jwt.ResponsePermission{MaxMsgs: 10, Expires: 5 * time.Second},
	}
}

func activation(kind jwt.ExportType, subject jwt.Subject) *jwt.ActivationClaims {
	claims := jwt.NewActivationClaims(public(account))
	claims.ImportType = kind
	claims.ImportSubject = subject
	return claims
}

func activationService() *jwt.ActivationClaims {
	claims := activation(jwt.Service, "help.>")
	claims.Name = "help"
	claims.Expires = expires
	claims.IssuerAccount = public(exporter)
	claims.Tags = jwt.TagList{"a", "b"}
	return claims
}

func generic(kind any) *jwt.GenericClaims {
	claims := jwt.NewGenericClaims("audit")
	claims.Data = map[string]any{
		"b": []any{1, "two", true, nil}, "a": map[string]any{"z": -5, "y": 1 << 53, "é": "<"}, "type": jwt.GenericClaim,
	}
	if kind != nil {
		claims.Data["type"] = kind
	}
	return claims
}
