"""What servers mount, with TLS: certificates of a testbed's own authority, named and written as the operator does."""

from collections.abc import Mapping

from broker.one_account import Trust

from iotsec.nats.listener_rules import ListenerSettings
from iotsec.nats.server_config import config_digest
from iotsec.nats.tls_config import GROUPS, KeyPair, TlsConfig, config_files
from testbed.certificates import Authority


def new_pairs(authority: Authority) -> dict[str, KeyPair]:
    """A certificate for each group of listeners."""
    files = {group: authority.issue(group) for group in set(GROUPS.values())}
    return {group: KeyPair(pair.certificate.read_bytes(), pair.key.read_bytes()) for group, pair in files.items()}


def tls_config(
    authority: Authority, pairs: Mapping[str, KeyPair], listeners: Mapping[str, ListenerSettings]
) -> TlsConfig:
    return config_files(certificates=pairs, bundle=authority.path.read_bytes(), listeners=listeners)


def mounted(trust: Trust, config: TlsConfig) -> dict[str, bytes]:
    """A Secret's files, the digest of them in the servers' metadata."""
    files = {**trust.config(tls=config.server), **config.files}
    return files | trust.config(tls=config.server, metadata=config_digest(files))
