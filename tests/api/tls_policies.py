"""TLSPolicies as users write them, and what is refused in them."""

from typing import Any

from api.objects import Json, Refused
from api.rotations import NIGHTLY


def policy(name: str = "plant", **spec: Any) -> Json:
    return {
        "apiVersion": "iotsec.dev/v1alpha1",
        "kind": "TLSPolicy",
        "metadata": {"name": name, "namespace": "iot"},
        "spec": {"hubRef": {"name": "plant"}} | spec,
    }


def listening(**listeners: Json) -> Json:
    return policy(listeners=listeners)


def living(**fields: Any) -> Json:
    return policy(certificates=fields)


def keyed(**fields: Any) -> Json:
    return living(privateKey=fields)


def issued(**issuer: Any) -> Json:
    return policy(issuer=issuer)


def asking(**reference: str) -> Json:
    return issued(certManager={"issuerRef": {"name": "plant-ca"} | reference})


def bundled(**config_map: Any) -> Json:
    return policy(trustBundle={"configMap": config_map})


def revoking(**fields: Any) -> Json:
    return policy(revocation={"url": "http://iot-security-operator.iot:8085"} | fields)


ECDSA_1_2 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
RSA_1_2 = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
SECRET = {"secretName": "plant-ca-of-ours"}

LISTENER = {
    "mode": "Mutual",
    "dnsNames": ["nats.example.com", "*.iot.example.com"],
    "ipAddresses": ["10.0.0.7", "2001:db8::7"],
    "minVersion": "1.2",
    "cipherSuites": [ECDSA_1_2, RSA_1_2],
    "curves": ["X25519MLKEM768", "X25519", "CurveP256", "CurveP384", "CurveP521"],
}
FIRST = LISTENER | {"handshakeFirst": "Auto"}

ACCEPTED: dict[str, Json] = {
    "the smallest policy": policy(),
    "a policy with every field": policy(
        mode="Mutual",
        mountPath="/var/run/nats_iotsec-1.0",
        issuer={"selfSigned": {"duration": "87600h", "privateKey": {"algorithm": "RSA", "size": 4096}}},
        caRotation={"retire": "AtExpiry", "distributeFor": "2h"},
        certificates={
            "duration": "720h",
            "renewBeforePercentage": 33,
            "privateKey": {"algorithm": "ECDSA", "size": 384, "rotationPolicy": "Never"},
            "windows": [NIGHTLY],
        },
        listeners={
            "client": FIRST,
            "leafnodes": FIRST | {"handshakeFirst": "On"},
            **dict.fromkeys(("websocket", "mqtt", "cluster", "gateway"), LISTENER | {"handshakeFirst": "Off"}),
        },
        trustDomain="plant.example.com",
        trustBundle={
            "configMap": {
                "name": "nats.ca",
                "key": "bundle_1.pem",
                "namespaces": {
                    "from": "Selector",
                    "selector": {
                        "matchLabels": {"team": "iot"},
                        "matchExpressions": [{"key": "stage", "operator": "In", "values": ["live"]}],
                    },
                },
            }
        },
        revocation={
            "url": "https://revocation.example.com:8443/iot",
            "whenUnreachable": "Refuse",
            "validity": "10s",
            "stapling": True,
        },
    ),
    "a CA of the user's own": issued(ca=SECRET) | {"metadata": {"name": "own-ca", "namespace": "iot"}},
    "an issuer of cert-manager": asking(),
    "a cluster's issuer of another group": asking(kind="AWSPCAClusterIssuer", group="awspca.cert-manager.io"),
    "a key of its own kind for the CA": issued(selfSigned={"privateKey": {"rotationPolicy": "Never"}}),
    "an early renewal": living(duration="2160h", renewBefore="1439h", privateKey={}),
    "an early renewal of the default life": living(renewBefore="2159h59m59s"),
    "a renewal of a life that is longer than by default": living(duration="4320h", renewBefore="2160h"),
    "keys of Ed25519": keyed(algorithm="Ed25519"),
    "the smallest key of RSA": keyed(algorithm="RSA", size=2048),
    "a key of a size without its algorithm": keyed(size=384),
    "a CA that is distrusted at once": policy(caRotation={"retire": "Immediate"}),
    "listeners without encryption": listening(mqtt={"mode": "Off"}, cluster={"mode": "Off"}),
    "servers that know each other": listening(cluster={"mode": "Mutual"}, gateway={"mode": "Mutual"}),
    "clients of different kinds": listening(client={"mode": "Mutual"}, websocket={"mode": "ServerOnly"}),
    "as many names as there may be": listening(client={"dnsNames": [f"n{i}.example.com" for i in range(32)]}),
    "a name of one label": listening(client={"dnsNames": ["nats"]}),
    "an answer that is never asked for twice": revoking(stapling=False, whenUnreachable="Allow"),
    "the path of a root": policy(mountPath="/n"),
}

_HUB = "spec.hubRef.name"
_PATH = ("spec.mountPath", "write an absolute path")
_ONE_ISSUER = ("spec.issuer", "write one of selfSigned, ca and certManager")
_SIZE = ("spec.certificates.privateKey", "write size 256 or 384 for ECDSA, 2048, 3072 or 4096 for RSA")
_BEFORE = ("spec.certificates", "renewBefore must be shorter than duration")
_REF = "spec.issuer.certManager.issuerRef"
_MAP = "spec.trustBundle.configMap"
_URL = ("spec.revocation.url", "write the URL of the operator's revocation endpoint")
_DURATION = "write a duration from 10s to 87600h"

REFUSED: tuple[Refused, ...] = (
    Refused("a policy for a Hub in capitals", policy(hubRef={"name": "Plant"}), _HUB, "the metadata.name of a Hub"),
    Refused("a relative mount path", policy(mountPath="etc/nats"), *_PATH),
    Refused("the root as mount path", policy(mountPath="/"), *_PATH),
    Refused("a mount path with a slash behind it", policy(mountPath="/etc/nats/"), *_PATH),
    Refused("a mount path with a quote", policy(mountPath='/etc/"nats'), *_PATH),
    Refused("a mount path with a space", policy(mountPath="/etc/nats iotsec"), *_PATH),
    Refused("a mount path with a line break", policy(mountPath="/etc/nats\n"), *_PATH),
    Refused("two issuers", issued(selfSigned={}, ca=SECRET), *_ONE_ISSUER),
    Refused(
        "three issuers",
        issued(selfSigned={}, ca=SECRET, certManager={"issuerRef": {"name": "a"}}),
        *_ONE_ISSUER,
    ),
    Refused("no issuer", issued(), *_ONE_ISSUER),
    Refused("a CA Secret in capitals", issued(ca={"secretName": "CA"}), "spec.issuer.ca.secretName", "write the name"),
    Refused("an issuer in capitals", asking(name="Plant"), f"{_REF}.name", "write the name of an issuer"),
    Refused("a kind in small letters", asking(kind="issuer"), f"{_REF}.kind", "write a kind"),
    Refused("a group that is none", asking(group="cert-manager.io/v1"), f"{_REF}.group", "write an API group"),
    Refused("a small key of RSA", keyed(algorithm="RSA", size=1024), *_SIZE),
    Refused("an odd key of RSA", keyed(algorithm="RSA", size=2049), *_SIZE),
    Refused("a key of RSA that is one of ECDSA", keyed(algorithm="RSA", size=256), *_SIZE),
    Refused("a key of ECDSA that is one of RSA", keyed(algorithm="ECDSA", size=2048), *_SIZE),
    Refused("a large key of no algorithm", keyed(size=4096), *_SIZE),
    Refused("a curve that few know", keyed(algorithm="ECDSA", size=521), *_SIZE),
    Refused("a size of Ed25519", keyed(algorithm="Ed25519", size=256), *_SIZE),
    Refused(
        "a small key for the CA",
        issued(selfSigned={"privateKey": {"algorithm": "RSA", "size": 1024}}),
        "spec.issuer.selfSigned.privateKey",
        _SIZE[1],
    ),
    Refused("a certificate for days", living(duration="90d"), "spec.certificates.duration", _DURATION),
    Refused("a certificate of seconds", living(duration="9s"), "spec.certificates.duration", _DURATION),
    Refused("a certificate renewed at once", living(duration="1h", renewBefore="60m"), *_BEFORE),
    Refused("a certificate of the default life renewed at once", living(renewBefore="2160h"), *_BEFORE),
    Refused(
        "a certificate renewed in two ways",
        living(renewBefore="1h", renewBeforePercentage=10),
        "spec.certificates",
        "renewBefore or renewBeforePercentage, not both",
    ),
    Refused(
        "certificates renewed by a cron line of six fields",
        living(windows=[NIGHTLY | {"cron": "0 0 2 * * SUN"}]),
        "spec.certificates.windows[0].cron",
        "write a cron expression of five fields",
    ),
    Refused(
        "certificates renewed in seconds",
        living(windows=[NIGHTLY | {"duration": "59s"}]),
        "spec.certificates.windows[0]",
        "write 1m or more",
    ),
    Refused(
        "certificates renewed in a time zone by its offset",
        living(windows=[NIGHTLY | {"timeZone": "+02:00"}]),
        "spec.certificates.windows[0].timeZone",
        "the name of a time zone",
    ),
    Refused(
        "a trust domain in capitals", policy(trustDomain="Plant"), "spec.trustDomain", "write a SPIFFE trust domain"
    ),
    Refused(
        "a trust domain that is a URI", policy(trustDomain="spiffe://a"), "spec.trustDomain", "SPIFFE trust domain"
    ),
    Refused("a ConfigMap in capitals", bundled(name="CA"), f"{_MAP}.name", "write the name of a ConfigMap"),
    Refused("a ConfigMap key that is a path", bundled(key="a/b"), f"{_MAP}.key", "write a key of a ConfigMap"),
    Refused(
        "a ConfigMap for chosen namespaces that are not chosen",
        bundled(namespaces={"from": "Selector"}),
        f"{_MAP}.namespaces",
        "write a selector where from is Selector",
    ),
    Refused(
        "a ConfigMap for a label that is none",
        bundled(namespaces={"from": "Selector", "selector": {"matchLabels": {"a b": "x"}}}),
        f"{_MAP}.namespaces.selector.matchLabels",
        "write keys as name or prefix/name",
    ),
    Refused("revocation by no URL", revoking(url="iot-security-operator.iot:8085"), *_URL),
    Refused("revocation by another scheme", revoking(url="ldap://ca.example.com"), *_URL),
    Refused("revocation with a password", revoking(url="http://u:p@revocation.example.com"), *_URL),
    Refused("revocation with a question", revoking(url="http://revocation.example.com/?a=b"), *_URL),
    Refused("an answer of a moment", revoking(validity="1s"), "spec.revocation.validity", _DURATION),
    Refused(
        "a CA for ever",
        issued(selfSigned={"duration": "87601h"}),
        "spec.issuer.selfSigned.duration",
        _DURATION,
    ),
    Refused(
        "a new CA that nobody gets",
        policy(caRotation={"distributeFor": "0s"}),
        "spec.caRotation.distributeFor",
        _DURATION,
    ),
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused("a policy for no Hub", policy() | {"spec": {}}, "spec.hubRef", "Required value"),
    Refused("a policy that is off", policy(mode="Off"), "spec.mode", 'supported values: "ServerOnly", "Mutual"'),
    Refused("an algorithm of old", keyed(algorithm="DSA"), "spec.certificates.privateKey.algorithm", '"Ed25519"'),
    Refused(
        "a key of no size",
        keyed(algorithm="RSA", size=128),
        "spec.certificates.privateKey.size",
        "should be greater than or equal to 256",
    ),
    Refused(
        "a certificate that is renewed all the time",
        living(renewBeforePercentage=100),
        "spec.certificates.renewBeforePercentage",
        "should be less than or equal to 99",
    ),
    Refused("a CA Secret without a name", issued(ca={}), "spec.issuer.ca.secretName", "Required value"),
    Refused("an issuer without a name", issued(certManager={"issuerRef": {}}), f"{_REF}.name", "Required value"),
    Refused(
        "a CA that never goes",
        policy(caRotation={"retire": "Never"}),
        "spec.caRotation.retire",
        'supported values: "AfterConvergence", "AtExpiry", "Immediate"',
    ),
    Refused("revocation by nobody", policy(revocation={}), "spec.revocation.url", "Required value"),
    Refused(
        "a server that asks nobody twice",
        revoking(whenUnreachable="Perhaps"),
        "spec.revocation.whenUnreachable",
        'supported values: "Allow", "Refuse"',
    ),
    Refused("too long a name of a policy", policy("p" * 254), "metadata.name", "may not be more than 253"),
)
