"""`server.conf`: a real nats-server takes it, and nothing but checked tokens get into it."""

import subprocess
from pathlib import Path

import pytest

from iotsec.nats.claims import AccountClaims, OperatorClaims
from iotsec.nats.jwt import InvalidToken, encode
from iotsec.nats.keys import InvalidKey, KeyType, SigningKey
from iotsec.nats.server_config import server_conf
from testbed import binaries

OPERATOR = SigningKey.generate(KeyType.OPERATOR, bytes(32))
SYSTEM, OTHER = (SigningKey.generate(KeyType.ACCOUNT, bytes([n]) * 32) for n in (1, 2))
OPERATOR_JWT = encode(
    OperatorClaims(system_account=SYSTEM.public), OPERATOR, subject=OPERATOR.public, name="plant", issued_at=1
)
SYSTEM_JWT = encode(AccountClaims(), OPERATOR, subject=SYSTEM.public, name="SYS", issued_at=1)
CONF = server_conf(operator_jwt=OPERATOR_JWT, system_account=SYSTEM.public, system_account_jwt=SYSTEM_JWT)


def test_nats_server_accepts_it_included_at_the_top_level(tmp_path: Path) -> None:
    (tmp_path / "server.conf").write_text(CONF, encoding="utf-8")
    main = tmp_path / "nats.conf"
    main.write_text(
        f'include server.conf\nresolver: {{type: full, dir: "{tmp_path}/jwt", allow_delete: true, interval: "1m"}}\n',
        encoding="utf-8",
    )
    answer = subprocess.run(
        [binaries.find("nats-server"), "-t", "-c", main], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_it_says_what_it_is_and_is_the_same_each_time() -> None:
    assert CONF.startswith("# ")
    assert "iot-security-operator" in CONF
    assert server_conf(operator_jwt=OPERATOR_JWT, system_account=SYSTEM.public, system_account_jwt=SYSTEM_JWT) == CONF


@pytest.mark.parametrize(
    ("operator_jwt", "system_account", "system_account_jwt"),
    [
        (SYSTEM_JWT, SYSTEM.public, SYSTEM_JWT),
        (OPERATOR_JWT, OTHER.public, SYSTEM_JWT),
        (OPERATOR_JWT, SYSTEM.public, OPERATOR_JWT),
        (OPERATOR_JWT + "\nport: 1", SYSTEM.public, SYSTEM_JWT),
        (OPERATOR_JWT, "A\nport: 1", SYSTEM_JWT),
        (OPERATOR_JWT, OPERATOR.public, SYSTEM_JWT),
    ],
)
def test_what_would_stop_or_subvert_a_server_is_refused(
    operator_jwt: str, system_account: str, system_account_jwt: str
) -> None:
    with pytest.raises((InvalidToken, InvalidKey)):
        server_conf(operator_jwt=operator_jwt, system_account=system_account, system_account_jwt=system_account_jwt)
