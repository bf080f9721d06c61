"""JetStream's key from the apply of a Hub to the volumes of its servers, and what becomes of it in others' hands."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from broker.storing_server import (
    ACKED,
    PLAIN,
    acknowledged,
    empty_volume,
    environment,
    files_with,
    readable,
    store,
)
from fleet.conftest import ClusterSite, Site
from fleet.key_holder import KeyHolder

from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.user import Object, User, condition_of
from testbed.waiting import wait_until

SECRET = "plant-jetstream-key"  # noqa: S105 - the name of one
ROTATE = "iotsec.dev/rotate-jetstream-key"
ACCOUNTS = [{"name": "iot", "jetStream": {"diskStorage": "100Mi"}}]


def declare(user: User, servers: list[str], **encryption: str) -> None:
    """Apply the Hub with an account that may store, and encryption."""
    user.apply("Hub", "plant", {"nats": {"servers": servers, "encryptionAtRest": encryption}, "accounts": ACCOUNTS})


def at_rest(hub: Object) -> Mapping[str, Any]:
    """What the Hub's status says of encryption."""
    found: Mapping[str, Any] = hub["status"].get("encryptionAtRest") or {}
    return found


def current(hub: Object) -> dict[str, bool]:
    """Which servers have the key as it is now."""
    return {one["name"]: one["current"] for one in at_rest(hub).get("servers", ())}


def wait_phase(user: User, phase: str, *, other_than: str = "") -> Object:
    """Wait until encryption is in this phase, with another key perhaps."""
    return user.wait_for(
        "Hub", "plant", lambda h: at_rest(h).get("phase") == phase and at_rest(h)["keyId"] != other_than, within=60
    )


def start(user: User, server: NatsServer, *, peers: int = 0) -> None:
    """Start a server as a pod is: with the Secrets as they are now."""
    server.stop()
    server.mount(user.wait_secret("plant-nats-config"))
    with environment(user.wait_secret(SECRET)):
        server.start()
    server.wait_ready(peers=peers)


def member(user: User) -> str:
    """Creds of somebody who may do anything in the account."""
    user.wait_ready("Hub", "plant")
    return KeyHolder(user).user_creds()


@pytest.fixture
def encrypted(operator: Operator, user: User, server: NatsServer) -> Site:  # noqa: ARG001 - it makes the Hub work
    """A Hub whose one server encrypts."""
    declare(user, [server.url])
    user.wait_secret(SECRET)
    start(user, server)
    wait_phase(user, "Active")
    return Site(user, server)


async def test_a_volume_that_could_be_read_cannot_be_after_the_restart_that_the_status_asks_for(site: Site) -> None:
    user, server = site.user, site.server
    user.apply_hub("plant", [site.url], accounts=ACCOUNTS)
    creds = member(user)
    user.wait_for("Hub", "plant", lambda hub: hub["status"]["observedGeneration"] == hub["metadata"]["generation"])
    await store(server, creds, 20)
    assert files_with(server, PLAIN)

    declare(user, [site.url])
    hub = user.wait_for("Hub", "plant", lambda h: current(h) == {"nats-0": False})
    assert "restart every nats-server" in at_rest(hub)["message"]
    assert condition_of(hub, "EncryptedAtRest")["reason"] == "RestartNeeded"
    start(user, server)

    hub = wait_phase(user, "Active")
    assert condition_of(hub, "EncryptedAtRest")["status"] == "True"
    assert files_with(server, PLAIN) == []
    assert (await readable(server, creds), await acknowledged(server, creds)) == (20, ACKED)


def test_the_key_is_in_its_own_secret_and_nowhere_else(encrypted: Site, operator: Operator) -> None:
    key = encrypted.user.wait_secret(SECRET)["key"]

    mounted = b"".join(encrypted.user.wait_secret("plant-nats-config").values())
    told = [encrypted.user.get("Hub", "plant"), encrypted.user.events("Hub", "plant")]
    assert b"IOTSEC_JETSTREAM_KEY" in mounted
    assert key not in mounted
    assert key.decode() not in f"{told} {operator.log.read_text()} {encrypted.server.log.read_text()}"


async def test_another_cipher_takes_a_restart_and_keeps_everything(encrypted: Site) -> None:
    user, server, creds = encrypted.user, encrypted.server, member(encrypted.user)
    await store(server, creds, 20)
    key = user.wait_secret(SECRET)["key"]

    declare(user, [encrypted.url], cipher="AES")
    wait_phase(user, "RestartNeeded")
    start(user, server)

    assert at_rest(wait_phase(user, "Active"))["cipher"] == "AES"
    assert user.wait_secret(SECRET)["key"] == key
    assert (await readable(server, creds), await acknowledged(server, creds)) == (20, ACKED)


async def test_a_server_alone_gets_another_key_and_keeps_its_messages(encrypted: Site, operator: Operator) -> None:
    user, server, creds = encrypted.user, encrypted.server, member(encrypted.user)
    await store(server, creds, 20)
    stolen = user.wait_secret(SECRET)
    before = at_rest(wait_phase(user, "Active"))["keyId"]

    user.annotate("Hub", "plant", {ROTATE: "after-the-theft"})
    hub = wait_phase(user, "RestartNeeded", other_than=before)
    assert "back up its streams" in at_rest(hub)["message"]
    operator.kill()
    start(user, server)
    operator.start()

    wait_phase(user, "Active", other_than=before)
    assert await readable(server, creds) == 20
    wait_until(lambda: stolen["key"] not in user.wait_secret(SECRET).values(), what="the stolen key is gone")


async def test_three_servers_get_another_key_one_by_one_and_nothing_is_lost(
    cluster_site: ClusterSite, operator: Operator
) -> None:
    user, servers = cluster_site.user, cluster_site.cluster.servers
    declare(user, cluster_site.cluster.urls)
    user.wait_secret(SECRET)
    wait_phase(user, "RestartNeeded")
    for server in servers:
        start(user, server, peers=2)
    before = at_rest(wait_phase(user, "Active"))["keyId"]
    creds = member(user)
    await store(servers[0], creds, 20, replicas=3)

    user.annotate("Hub", "plant", {ROTATE: "after-the-theft"})
    hub = wait_phase(user, "RestartNeeded", other_than=before)
    assert "with an empty JetStream volume, one at a time" in at_rest(hub)["message"]
    user.annotate("Hub", "plant", {ROTATE: "and-again"})  # heeded after it
    for done, server in enumerate(servers, 1):
        operator.kill()
        server.stop()
        empty_volume(server)
        start(user, server, peers=2)
        operator.start()
        if done < len(servers):
            expected = {one.name: number < done for number, one in enumerate(servers)}
            user.wait_for("Hub", "plant", lambda h, expected=expected: current(h) == expected, within=60)

    assert (await readable(servers[1], creds), await acknowledged(servers[1], creds)) == (20, ACKED)
    hub = user.wait_for("Hub", "plant", lambda h: current(h) == dict.fromkeys(current(h), False), within=60)
    assert at_rest(hub)["keyId"] != before, "the second token has its key now"


@pytest.mark.parametrize("harm", ["deleted", "edited", "unlabelled"])
def test_a_harmed_key_is_as_it_was_in_no_time(encrypted: Site, harm: str) -> None:
    user = encrypted.user
    before = user.wait_secret(SECRET)

    match harm:
        case "deleted":
            user.delete("Secret", SECRET)
        case "edited":
            user.patch("Secret", SECRET, {"data": {"key": b64encode(b"mischief").decode()}})
        case "unlabelled":
            user.patch("Secret", SECRET, {"metadata": {"labels": None, "finalizers": None}, "data": {"cipher": None}})

    def restored() -> bool:
        found = user.get("Secret", SECRET)
        return (
            found is not None
            and "deletionTimestamp" not in found["metadata"]
            and "iotsec.dev/component" in found["metadata"].get("labels", {})
            and user.secret(SECRET) == before
        )

    wait_until(restored, within=10, what="the key is as it was")


async def test_a_key_lost_while_the_operator_was_away_is_never_made_anew_but_taken_from_a_backup(
    encrypted: Site, operator: Operator
) -> None:
    user, server, creds = encrypted.user, encrypted.server, member(encrypted.user)
    await store(server, creds, 20)
    backup = user.wait_secret(SECRET)
    operator.stop()
    user.patch("Secret", SECRET, {"metadata": {"finalizers": None}})
    user.delete("Secret", SECRET)
    user.wait_gone("Secret", SECRET)

    operator.start()
    hub = user.wait_reason("Hub", "plant", "TrustLost")
    assert SECRET in condition_of(hub, "Stalled")["message"]
    assert user.get("Secret", SECRET) is None
    user.create("Secret", SECRET, data={name: b64encode(value).decode() for name, value in backup.items()})

    user.wait_ready("Hub", "plant")
    start(user, server)
    assert await readable(server, creds) == 20


def test_the_key_of_another_hub_is_no_backup(encrypted: Site, operator: Operator) -> None:
    user = encrypted.user
    wrong = {name: b64encode(value).decode() for name, value in user.wait_secret(SECRET).items()}
    wrong["key"] = b64encode(b"k" + b"0" * 64).decode()
    operator.stop()
    user.patch("Secret", SECRET, {"data": wrong})

    operator.start()

    hub = user.wait_reason("Hub", "plant", "TrustLost")
    assert "another key than what JetStream stored needs" in condition_of(hub, "Stalled")["message"]


def test_somebody_elses_secret_of_the_name_is_left_alone(operator: Operator, user: User, server: NatsServer) -> None:  # noqa: ARG001 - it makes the Hub work
    user.create("Secret", SECRET, data={"key": b64encode(b"theirs").decode()})

    declare(user, [server.url])

    hub = user.wait_reason("Hub", "plant", "SecretConflict")
    assert f"Secret {SECRET} exists and is not this Hub's" in condition_of(hub, "Stalled")["message"]
    assert user.secret(SECRET) == {"key": b"theirs"}
    assert user.secret("plant-nats-config") is None


def test_the_key_goes_with_its_hub(encrypted: Site) -> None:
    encrypted.user.delete("Hub", "plant")

    encrypted.user.wait_gone("Hub", "plant")
    encrypted.user.wait_gone("Secret", SECRET)
