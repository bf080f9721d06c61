"""Claims of every type with every field, the same values as in `tests/go/golden`, and the Go library to ask."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iotsec.nats.claims import (
    AccountClaims,
    AccountLimits,
    ActivationClaims,
    Authorization,
    Claims,
    ConnectionType,
    Destination,
    Export,
    GenericClaims,
    Import,
    JetStreamLimits,
    OperatorClaims,
    Permissions,
    Responses,
    ResponseType,
    ScopedKey,
    ServiceLatency,
    ShareKind,
    TimeRange,
    Trace,
    UserClaims,
    UserPermissionLimits,
)
from iotsec.nats.jwt import encode
from iotsec.nats.keys import KeyType, SigningKey
from testbed import binaries

GO_MODULE = Path(__file__).parents[1] / "go"
GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))

NAME = 'a<b>&\u2028\u2029"\\\t\b\f\x1f\x7f é 漢 😀'
DAY = 24 * 60 * 60
EXPIRES = 4102444800


def pair(kind: KeyType, entropy: int) -> SigningKey:
    return SigningKey.generate(kind, bytes([entropy]) * 32)


OPERATOR, OPERATOR_SIGN = pair(KeyType.OPERATOR, 1), pair(KeyType.OPERATOR, 2)
ACCOUNT, ACCOUNT_SIGN, ACCOUNT_SCOPE, ACCOUNT_LEAST, EXPORTER = (pair(KeyType.ACCOUNT, n) for n in range(3, 8))
USER, OTHER_USER = pair(KeyType.USER, 8), pair(KeyType.USER, 9)
SERVER, CURVE = pair(KeyType.SERVER, 10), pair(KeyType.CURVE, 12)
PERMISSIONS = Permissions(
    publish_allow=("event.*", "device.a.>", "event.*"),
    publish_deny=("device.a.x", "$SYS.>"),
    subscribe_allow=("work.* pool.*", "a.>"),
    subscribe_deny=("a.secret",),
    responses=Responses(max_messages=10, expires_ns=5_000_000_000),
)
GRANTS = UserPermissionLimits(
    permissions=PERMISSIONS,
    source_networks=("2001:db8::/32", "10.0.0.0/8"),
    times=(TimeRange("13:00:00", "17:30:00"), TimeRange("08:00:00", "12:00:00")),
    times_location="Europe/Berlin",
    subscriptions=50,
    data=1 << 30,
    payload=65536,
    bearer_token=True,
    proxy_required=True,
    connection_types=(ConnectionType.STANDARD, ConnectionType.MQTT),
)


def storage(first: int) -> JetStreamLimits:
    return JetStreamLimits(
        memory_storage=first,
        disk_storage=first + 1,
        streams=first + 2,
        consumers=first + 3,
        max_ack_pending=first + 4,
        memory_max_stream_bytes=first + 5,
        disk_max_stream_bytes=first + 6,
        max_bytes_required=True,
    )


PLANT = encode(
    ActivationClaims(import_subject="plant.>", kind=ShareKind.STREAM),
    EXPORTER,
    subject=ACCOUNT.public,
    issued_at=GOLDEN["issued_at"],
)
ACCOUNT_FULL = AccountClaims(
    limits=AccountLimits(
        subscriptions=1,
        data=2,
        payload=3,
        imports=4,
        exports=5,
        disallow_bearer=True,
        connections=6,
        leaf_nodes=7,
        jetstream=storage(1),
    ),
    imports=(
        Import(
            name="plant",
            subject="plant.*.up",
            account=EXPORTER.public,
            kind=ShareKind.STREAM,
            local_subject="up.$1",
            token=PLANT,
            allow_trace=True,
        ),
        Import(
            name="help",
            subject="help.ask",
            account=EXPORTER.public,
            kind=ShareKind.SERVICE,
            local_subject="ask.help",
            share=True,
        ),
    ),
    exports=(
        Export(
            subject="lookup.slow",
            kind=ShareKind.SERVICE,
            response_type=ResponseType.CHUNKED,
            latency=ServiceLatency(results="latency.slow"),
        ),
        Export(
            name="lookup",
            subject="lookup",
            kind=ShareKind.SERVICE,
            response_type=ResponseType.STREAM,
            response_threshold_ns=3_000_000_000,
            latency=ServiceLatency(results="latency.lookup", sampling=5),
            allow_trace=True,
        ),
        Export(
            name="events",
            subject="events.*",
            kind=ShareKind.STREAM,
            token_required=True,
            revocations={EXPORTER.public: 2 * DAY, "*": DAY},
            account_token_position=2,
            advertise=True,
            description="events",
            info_url="https://example.com/events",
        ),
    ),
    signing_keys=(
        ScopedKey(ACCOUNT_SCOPE.public, role="gateway", description="what gateways may", template=GRANTS),
        ScopedKey(ACCOUNT_LEAST.public),
        ACCOUNT_SIGN.public,
    ),
    revocations={OTHER_USER.public: 3 * DAY, USER.public: 2 * DAY, "*": DAY},
    default_permissions=PERMISSIONS,
    mappings={
        "b.*": (Destination("d.$1", 60), Destination("c.$1", 40)),
        "a": (Destination("a2", cluster="west"), Destination("a1", cluster="east")),
    },
    authorization=Authorization(
        auth_users=(OTHER_USER.public, USER.public),
        allowed_accounts=(EXPORTER.public, ACCOUNT.public),
        xkey=CURVE.public,
    ),
    trace=Trace("traces", sampling=25),
    cluster_traffic="owner",
    description="everything",
    info_url="https://example.com/iot?a=b&c=d",
    tags=("site:lab", "env:prod"),
)
SHUT = AccountLimits(
    subscriptions=0,
    data=0,
    payload=0,
    imports=0,
    exports=0,
    wildcard_exports=False,
    connections=0,
    leaf_nodes=0,
)
AUDIT = {"b": [1, "two", True, None], "a": {"z": -5, "y": 1 << 53, "é": "<"}}

VALUES: dict[str, tuple[Claims, SigningKey, dict[str, Any]]] = {
    "operator-least": (OperatorClaims(), OPERATOR, {"subject": OPERATOR.public}),
    "operator-full": (
        OperatorClaims(
            signing_keys=(OPERATOR_SIGN.public, OPERATOR.public),
            account_server_url="https://accounts.example.com/jwt/v1",
            operator_service_urls=("tls://two.example.com:4222", "nats://one.example.com:4222"),
            system_account=ACCOUNT_LEAST.public,
            assert_server_version="2.10.0",
            strict_signing_key_usage=True,
            tags=("site:lab", "env:prod"),
        ),
        OPERATOR,
        {
            "subject": OPERATOR.public,
            "name": NAME,
            "audience": "everyone",
            "expires_at": EXPIRES,
            "not_before": DAY,
        },
    ),
    "account-least": (AccountClaims(), OPERATOR_SIGN, {"subject": ACCOUNT.public}),
    "account-self-signed": (AccountClaims(), ACCOUNT, {"subject": ACCOUNT.public}),
    "account-full": (
        ACCOUNT_FULL,
        OPERATOR_SIGN,
        {"subject": ACCOUNT.public, "name": NAME, "expires_at": EXPIRES},
    ),
    "account-tiers": (
        AccountClaims(
            limits=AccountLimits(tiers={"R3": storage(30), "R1": storage(10)}),
            authorization=Authorization(auth_users=(USER.public,), allowed_accounts=("*",)),
        ),
        OPERATOR_SIGN,
        {"subject": ACCOUNT.public},
    ),
    "account-shut": (AccountClaims(limits=SHUT), OPERATOR_SIGN, {"subject": ACCOUNT.public}),
    "account-old-import": (
        AccountClaims(imports=(Import("plant.>", EXPORTER.public, ShareKind.STREAM, to="local.>"),)),
        OPERATOR_SIGN,
        {"subject": ACCOUNT.public},
    ),
    "user-least": (UserClaims(limits=UserPermissionLimits()), ACCOUNT, {"subject": USER.public}),
    "user-scoped": (
        UserClaims(issuer_account=ACCOUNT.public, tags=("site:lab",)),
        ACCOUNT_SCOPE,
        {"subject": USER.public, "name": "weather-01", "expires_at": EXPIRES},
    ),
    "user-full": (
        UserClaims(issuer_account=ACCOUNT.public, limits=GRANTS, tags=("site:lab", "env:prod")),
        ACCOUNT_SIGN,
        {
            "subject": USER.public,
            "name": NAME,
            "audience": "iot",
            "expires_at": EXPIRES,
            "not_before": DAY,
        },
    ),
    "activation-stream": (
        ActivationClaims("plant.>", ShareKind.STREAM),
        EXPORTER,
        {"subject": ACCOUNT.public},
    ),
    "activation-service": (
        ActivationClaims("help.>", ShareKind.SERVICE, issuer_account=EXPORTER.public, tags=("b", "a")),
        ACCOUNT_SIGN,
        {"subject": ACCOUNT.public, "name": "help", "expires_at": EXPIRES},
    ),
    "generic": (GenericClaims(AUDIT), SERVER, {"subject": "audit"}),
    "generic-of-some-type": (GenericClaims({**AUDIT, "type": "audit"}), ACCOUNT, {"subject": "audit"}),
}


@pytest.fixture
def vectors() -> dict[str, tuple[Claims, SigningKey, dict[str, Any]]]:
    """Claims, signer and envelope of every golden token."""
    return VALUES


@pytest.fixture(scope="session")
def go_check(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[str]], list[dict[str, Any]]]:
    """What the Go library of NATS thinks of tokens (`tests/go/check`)."""
    program = tmp_path_factory.mktemp("go") / "check"
    subprocess.run([binaries.find("go"), "build", "-o", program, "./check"], cwd=GO_MODULE, check=True)

    def check(tokens: list[str]) -> list[dict[str, Any]]:
        lines = "".join(f"{token}\n" for token in tokens)
        answer = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in answer.stdout.splitlines()]

    return check
