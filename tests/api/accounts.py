"""Accounts as Hubs have them, and what is refused in them and between them."""

from typing import Any

from api.objects import Json, Refused, hub


def account(**fields: Any) -> Json:
    return hub(accounts=[{"name": "mir"} | fields])


def accounts(*named: Json) -> Json:
    return hub(accounts=list(named))


def selecting(**selector: Any) -> Json:
    return account(namespaces={"from": "Selector", "selector": selector})


def demanding(**requirement: Any) -> Json:
    return selecting(matchExpressions=[{"key": "team"} | requirement])


def exporting(**fields: Any) -> Json:
    return account(exports=[{"name": "alarms", "type": "Stream", "subject": "alarms.>"} | fields])


def importing(**fields: Any) -> Json:
    shared = {"name": "alarms", "account": "plc", "type": "Stream", "subject": "alarms.>"} | fields
    exported = {"name": "alarms", "type": "Stream", "subject": "alarms.>"}
    return accounts({"name": "mir", "imports": [shared]}, {"name": "plc", "exports": [exported]})


def by_default(**permissions: Any) -> Json:
    return account(defaultPermissions=permissions)


STREAMS = {
    "memoryStorage": "64Mi",
    "diskStorage": "10Gi",
    "streams": 20,
    "consumers": 100,
    "maxAckPending": 1000,
    "memoryMaxStreamBytes": "1Mi",
    "diskMaxStreamBytes": "1Gi",
    "maxBytesRequired": True,
}

ACCEPTED: dict[str, Json] = {
    "an account with every field": hub(
        accounts=[
            {
                "name": "mir",
                "description": "The devices of the plant.",
                "namespaces": {
                    "from": "Selector",
                    "selector": {
                        "matchLabels": {"iot": "yes", "example.com/team": ""},
                        "matchExpressions": [
                            {"key": "stage", "operator": "In", "values": ["live", "test"]},
                            {"key": "old", "operator": "DoesNotExist"},
                        ],
                    },
                },
                "roles": ["device", "gateway", "client-swarm"],
                "ownPermissions": "Refused",
                "limits": {
                    "connections": 10000,
                    "leafNodes": 0,
                    "subscriptions": 100,
                    "payload": "1Mi",
                    "imports": 5,
                    "exports": 5,
                    "wildcardExports": True,
                    "disallowBearer": True,
                },
                "jetStream": STREAMS,
                "exports": [
                    {"name": "alarms", "type": "Stream", "subject": "alarms.*.>", "advertise": True},
                    {
                        "name": "time",
                        "type": "Service",
                        "subject": "time",
                        "accounts": ["lab"],
                        "responseType": "Chunked",
                        "responseThreshold": "1s",
                        "description": "What time it is.",
                    },
                ],
                "defaultPermissions": {
                    "publish": {"allow": ["a.>"], "deny": ["a.b"]},
                    "subscribe": {"allow": ["a.> q"], "deny": [">"]},
                },
            },
            {
                "name": "lab",
                "imports": [
                    {
                        "name": "alarms",
                        "account": "mir",
                        "type": "Stream",
                        "subject": "alarms.x.>",
                        "localSubject": "x.>",
                    },
                    {"name": "time", "account": "mir", "type": "Service", "subject": "time", "share": True},
                ],
            },
        ],
        roles=[{"name": "gateway", "publish": {"allow": ["a"]}}],
    ),
    "accounts that import from each other": accounts(
        {
            "name": "a",
            "exports": [{"name": "x", "type": "Service", "subject": "x"}],
            "imports": [{"name": "y", "account": "b", "type": "Service", "subject": "y"}],
        },
        {
            "name": "b",
            "exports": [{"name": "y", "type": "Service", "subject": "y"}],
            "imports": [{"name": "x", "account": "a", "type": "Service", "subject": "x"}],
        },
    ),
    "an account that exports everything": exporting(subject=">"),
    "a selector that takes every namespace": selecting(),
    "JetStream by tiers": account(
        jetStream={"tiers": [{"replicas": 1} | STREAMS, {"replicas": 3, "memoryStorage": "1Gi"}]}
    ),
    "presets by name": account(
        roles=["device", "device-any", "module", "client-standard", "client-read-only", "client-swarm"]
    ),
}

_ACCOUNT = "spec.accounts[0]"
_EXPORT = f"{_ACCOUNT}.exports[0]"
_IMPORT = f"{_ACCOUNT}.imports[0]"
_SELECTOR = "write a selector where from is Selector"
_VALUES = "In and NotIn take values"
_LIMITED = "write limits either at large or in tiers"
_STORAGE = "without storage there is no JetStream"
_SERVICE = "are for exports of type Service"
_PUBLISH = f"{_ACCOUNT}.defaultPermissions.publish.allow[0]"
_JET_STREAM = f"{_ACCOUNT}.jetStream"
_NAMESPACES = f"{_ACCOUNT}.namespaces"
_DEMAND = f"{_NAMESPACES}.selector.matchExpressions[0]"
_ONE = {"name": "a", "type": "Service", "subject": "a"}
_TWO = [_ONE, _ONE | {"name": "b", "subject": "b"}]
_MINE = {"name": "a", "account": "plc", "type": "Service", "subject": "a"}

REFUSED: tuple[Refused, ...] = (
    Refused("a selector for all", account(namespaces={"from": "All", "selector": {}}), _NAMESPACES, _SELECTOR),
    Refused("a selector by default", account(namespaces={"selector": {}}), _NAMESPACES, _SELECTOR),
    Refused("no selector", account(namespaces={"from": "Selector"}), _NAMESPACES, _SELECTOR),
    Refused("in nothing", demanding(operator="In"), _DEMAND, _VALUES),
    Refused("in an empty list", demanding(operator="NotIn", values=[]), _DEMAND, _VALUES),
    Refused("a value that need only exist", demanding(operator="Exists", values=["a"]), _DEMAND, _VALUES),
    Refused(
        "a label with a space",
        selecting(matchLabels={"a b": "c"}),
        f"{_NAMESPACES}.selector.matchLabels",
        "write keys as",
    ),
    Refused(
        "a value with a space", demanding(operator="In", values=["a b"]), f"{_DEMAND}.values", "write a label value"
    ),
    Refused("a demand on no label", demanding(key="a/", operator="Exists"), f"{_DEMAND}.key", "write a label key"),
    Refused("a role nobody knows", account(roles=["device", "pump"]), "spec", "neither a preset nor in spec.roles"),
    Refused(
        "a role of another Hub",
        hub(accounts=[{"name": "a", "roles": ["b"]}], roles=[{"name": "c", "publish": {"allow": ["d"]}}]),
        "spec",
        "neither a preset nor in spec.roles",
    ),
    Refused("an import of nowhere", importing(account="lab"), "spec", "an import is from an account that this Hub"),
    Refused("an import from itself", importing(account="mir"), _ACCOUNT, "does not import from itself"),
    Refused("an export to nobody known", exporting(accounts=["lab"]), "spec", "an export is for an account that this"),
    Refused(
        "an export of the system", exporting(subject="$SYS.>"), f"{_EXPORT}.subject", "are not shared between accounts"
    ),
    Refused("an import of the system", importing(subject="$SYS.REQ.>"), f"{_IMPORT}.subject", "are not shared"),
    Refused("an import as the system", importing(localSubject="$SYS.a"), f"{_IMPORT}.localSubject", "are not shared"),
    Refused("an export of two subjects", exporting(subject="a b"), f"{_EXPORT}.subject", "write tokens of printable"),
    Refused("an export of the id", exporting(subject="a.{id}"), f"{_EXPORT}.subject", "write tokens of printable"),
    Refused("an export with a hole", exporting(subject="a..b"), f"{_EXPORT}.subject", "write tokens of printable"),
    Refused("an export called nothing", exporting(name=""), f"{_EXPORT}.name", "write letters, digits"),
    Refused("a stream that answers", exporting(responseType="Stream"), _EXPORT, _SERVICE),
    Refused("a stream that answers in time", exporting(responseThreshold="10s"), _EXPORT, _SERVICE),
    Refused(
        "a wildcard where exports have none",
        account(limits={"wildcardExports": False}, exports=[_ONE | {"subject": "a.*"}]),
        _ACCOUNT,
        "write the subjects out",
    ),
    Refused(
        "two exports of one", account(limits={"exports": 1}, exports=_TWO), _ACCOUNT, "limits.exports has room for"
    ),
    Refused(
        "an import of none",
        accounts({"name": "mir", "limits": {"imports": 0}, "imports": [_MINE]}, {"name": "plc", "exports": [_ONE]}),
        _ACCOUNT,
        "limits.imports has room for",
    ),
    Refused("JetStream without storage", account(jetStream={"streams": 1}), _JET_STREAM, _STORAGE),
    Refused("an empty JetStream", account(jetStream={}), _JET_STREAM, _STORAGE),
    Refused(
        "a tier without storage", account(jetStream={"tiers": [{"replicas": 1}]}), f"{_JET_STREAM}.tiers", _STORAGE
    ),
    Refused(
        "JetStream at large and in tiers",
        account(jetStream={"diskStorage": "1Gi", "tiers": [{"replicas": 1, "diskStorage": "1Gi"}]}),
        _JET_STREAM,
        _LIMITED,
    ),
    Refused("a size in bits", account(jetStream={"diskStorage": "10Gb"}), f"{_JET_STREAM}.diskStorage", "write a size"),
    Refused(
        "a size of zettabytes",
        account(jetStream={"diskStorage": "9999999Ti"}),
        f"{_JET_STREAM}.diskStorage",
        "write a size",
    ),
    Refused("a size of a fraction", account(limits={"payload": "1.5Mi"}), f"{_ACCOUNT}.limits.payload", "write a size"),
    Refused("the id of nobody", by_default(publish={"allow": ["a.{id}"]}), _PUBLISH, "write tokens of printable"),
    Refused("the system by default", by_default(publish={"allow": ["$SYS.>"]}), _PUBLISH, "move $SYS to deny"),
    Refused(
        "everything by default", by_default(publish={"allow": ["*.>"]}), _PUBLISH, "wildcards alone reach everybody"
    ),
    Refused(
        "a queue to publish to by default", by_default(publish={"allow": ["a q"]}), _PUBLISH, "subscribe lists only"
    ),
)

REFUSED_BY_LIMITS: tuple[Refused, ...] = (
    Refused(
        "another source of namespaces",
        account(namespaces={"from": "Some"}),
        f"{_NAMESPACES}.from",
        'supported values: "Same", "All", "Selector"',
    ),
    Refused("another demand", demanding(operator="Gt", values=["1"]), f"{_DEMAND}.operator", '"Exists"'),
    Refused("an export twice", account(exports=[_ONE, _ONE]), f"{_ACCOUNT}.exports[1]", "Duplicate value"),
    Refused("an export of another type", exporting(type="Queue"), f"{_EXPORT}.type", 'supported values: "Stream"'),
    Refused("an export to no account", exporting(accounts=[]), f"{_EXPORT}.accounts", "should have at least 1 items"),
    Refused("no role", account(roles=[]), f"{_ACCOUNT}.roles", "should have at least 1 items"),
    Refused(
        "fewer than no connections",
        account(limits={"connections": -1}),
        f"{_ACCOUNT}.limits.connections",
        "greater than",
    ),
    Refused(
        "a tier twice",
        account(jetStream={"tiers": [{"replicas": 1, "diskStorage": "1Gi"}] * 2}),
        f"{_JET_STREAM}.tiers[1]",
        "Duplicate value",
    ),
    Refused(
        "six replicas",
        account(jetStream={"tiers": [{"replicas": 6, "diskStorage": "1Gi"}]}),
        f"{_JET_STREAM}.tiers[0].replicas",
        "should be less than or equal to 5",
    ),
)
