"""What encrypts servers is read out of what they mount: where nobody can tell how it should be, it stays as it is."""

from pathlib import Path

import pytest
from broker.one_account import Trust
from broker.tls_secret import mounted, new_pairs

from iotsec.nats.listener_rules import LISTENERS, ListenerSettings, OcspPeer
from iotsec.nats.server_config import encryption_conf
from iotsec.nats.tls_config import TlsConfig, config_files, tls_config_in, verifies_clients
from testbed.certificates import Authority

EVERYWHERE = {listener: ListenerSettings() for listener in LISTENERS}
ASKING = ListenerSettings(verify=True, ocsp_peer=OcspPeer())
MUTUAL = EVERYWHERE | {"client": ListenerSettings(verify=True)}
OTHERS = {"websocket": ListenerSettings(), "leafnodes": ASKING}


def written(directory: Path, listeners: dict[str, ListenerSettings], *, stapling: bool = False) -> TlsConfig:
    authority = Authority.create(directory)
    return config_files(
        certificates=new_pairs(authority),
        bundle=authority.path.read_bytes(),
        listeners=listeners,
        ocsp_stapling=stapling,
    )


@pytest.mark.parametrize("listeners", [EVERYWHERE, MUTUAL, EVERYWHERE | {"client": ASKING}, OTHERS])
@pytest.mark.parametrize("stapling", [False, True])
def test_all_of_it_is_read_again(tmp_path: Path, listeners: dict[str, ListenerSettings], *, stapling: bool) -> None:
    config = written(tmp_path, listeners, stapling=stapling)

    assert tls_config_in(mounted(Trust(), config)) == config
    theirs = {"server.conf": encryption_conf(tls=config.server, metadata="0123456789ab").encode(), **config.files}
    assert tls_config_in(theirs) == config


def test_where_nothing_is_encrypted_there_is_nothing(tmp_path: Path) -> None:
    assert tls_config_in({}) is None
    assert tls_config_in(mounted(Trust(), written(tmp_path, {}))) is None


def test_it_is_told_whether_clients_of_nats_must_show_a_certificate(tmp_path: Path) -> None:
    assert verifies_clients(mounted(Trust(), written(tmp_path, MUTUAL)))
    for listeners in (EVERYWHERE, OTHERS, {}):
        assert not verifies_clients(mounted(Trust(), written(tmp_path, listeners)))
    assert not verifies_clients({})
