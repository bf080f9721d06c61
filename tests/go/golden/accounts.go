package golden

import (
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"
)

func accountFull() *jwt.AccountClaims {
	claims := jwt.NewAccountClaims(public(account))
	claims.Name = name
	claims.Expires = expires
	claims.Limits = jwt.OperatorLimits{
		NatsLimits: jwt.NatsLimits{Subs: 1, Data: 2, Payload: 3},
		AccountLimits: jwt.AccountLimits{
			Imports: 4, Exports: 5, WildcardExports: true, DisallowBearer: true, Conn: 6, LeafNodeConn: 7,
		},
		JetStreamLimits: storage(1),
	}
	claims.Imports = jwt.Imports{
		{
			Name: "help", Subject: "help.ask", Account: public(exporter), LocalSubject: "ask.help", Type: jwt.Service,
			Share: true,
		},
		{
			Name: "plant", Subject: "plant.*.up", Account: public(exporter), LocalSubject: "up.$1", Type: jwt.Stream,
			Token: must(activation(jwt.Stream, "plant.>").Encode(exporter)), AllowTrace: true,
		},
	}
	claims.Exports = exports()
	claims.SigningKeys.Add(public(accountSign))
	claims.SigningKeys.AddScopedSigner(&jwt.UserScope{
		Kind: jwt.UserScopeType, Key: public(accountScope), Role: "gateway", Description: "what gateways may",
		Template: grants(),
	})
	plain := jwt.NewUserScope()
	plain.Key = public(accountLeast)
	claims.SigningKeys.AddScopedSigner(plain)
	claims.Revocations = jwt.RevocationList{"*": day, public(user): 2 * day, public(otherUser): 3 * day}
	claims.DefaultPermissions = permissions()
	claims.Mappings = jwt.Mapping{
		"b.*": {{Subject: "c.$1", Weight: 40}, {Subject: "d.$1", Weight: 60}},
		"a":   {{Subject: "a1", Weight: 100, Cluster: "east"}, {Subject: "a2", Weight: 100, Cluster: "west"}},
	}
	claims.Authorization = jwt.ExternalAuthorization{
		AuthUsers: sorted(public(user), public(otherUser)), AllowedAccounts: sorted(public(account), public(exporter)),
		XKey: public(curve),
	}
	claims.Trace = &jwt.MsgTrace{Destination: "traces", Sampling: 25}
	claims.ClusterTraffic = jwt.ClusterTrafficOwner
	claims.Description = "everything"
	claims.InfoURL = "https://example.com/iot?a=b&c=d"
	claims.Tags = jwt.TagList{"env:prod", "site:lab"}
	return claims
}

func exports() jwt.Exports {
	return jwt.Exports{
		{
			Name: "events", Subject: "events.*", Type: jwt.Stream, TokenReq: true,
			Revocations: jwt.RevocationList{"*": day, public(exporter): 2 * day}, AccountTokenPosition: 2, Advertise: true,
			Info: jwt.Info{Description: "events", InfoURL: "https://example.com/events"},
		},
		{
			Name: "lookup", Subject: "lookup", Type: jwt.Service, ResponseType: jwt.ResponseTypeStream,
			ResponseThreshold: 3 * time.Second, Latency: &jwt.ServiceLatency{Sampling: 5, Results: "latency.lookup"},
			AllowTrace: true,
		},
		{
			Subject: "lookup.slow", Type: jwt.Service, ResponseType: jwt.ResponseTypeChunked,
			Latency: &jwt.ServiceLatency{Sampling: jwt.Headers, Results: "latency.slow"},
		},
	}
}

func accountTiers() *jwt.AccountClaims {
	claims := jwt.NewAccountClaims(public(account))
	claims.Limits.JetStreamTieredLimits = jwt.JetStreamTieredLimits{"R3": storage(30), "R1": storage(10)}
	claims.Authorization = jwt.ExternalAuthorization{
		AuthUsers: jwt.StringList{public(user)}, AllowedAccounts: jwt.StringList{jwt.AnyAccount},
	}
	return claims
}

// accountShut cuts an account off: the library leaves out limits of 0, and what is left out is read as 0.
func accountShut() *jwt.AccountClaims {
	claims := jwt.NewAccountClaims(public(account))
	claims.Limits = jwt.OperatorLimits{}
	return claims
}

func accountOldImport() *jwt.AccountClaims {
	claims := jwt.NewAccountClaims(public(account))
	claims.Imports = jwt.Imports{{Subject: "plant.>", Account: public(exporter), To: "local.>", Type: jwt.Stream}}
	return claims
}

func storage(first int64) jwt.JetStreamLimits {
	return jwt.JetStreamLimits{
		MemoryStorage: first, DiskStorage: first + 1, Streams: first + 2, Consumer: first + 3, MaxAckPending: first + 4,
		MemoryMaxStreamBytes: first + 5, DiskMaxStreamBytes: first + 6, MaxBytesRequired: true,
	}
}

func sorted(values ...string) jwt.StringList {
	slices.Sort(values)
	return values
}
