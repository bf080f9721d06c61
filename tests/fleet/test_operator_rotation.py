"""The operator's signing key is replaced on three servers that are restarted twice, under a fleet that connects on."""

from collections.abc import Mapping

import pytest
from fleet.conftest import ClusterSite
from fleet.key_holder import KeyHolder, running_jwt, stored_jwt
from fleet.logins import connecting_all_the_time, off_the_loop

from iotsec.nats import jwt
from iotsec.nats.keys import Seed, SigningKey
from testbed.clients import is_refused, wait_accepted
from testbed.nats_server import NatsServer
from testbed.operator import Operator
from testbed.processes import ProcessFailedError
from testbed.user import Object, condition_of
from testbed.waiting import wait_until

DEVICES = [f"weather-{number:02}" for number in range(1, 7)]


def rotation_of(hub: Object) -> Mapping[str, object]:
    """What the Hub's status says of the replacement."""
    found: Mapping[str, object] = hub["status"].get("operatorRotation") or {}
    return found


def trusting(hub: Object) -> dict[str, str]:
    """What each server trusts, as the status has it."""
    servers = rotation_of(hub).get("servers", ())
    return {one["name"]: one["operatorKeys"] for one in servers}  # type: ignore[attr-defined]


def wait_phase(site: ClusterSite, phase: str | None) -> Object:
    """Wait until the replacement is in this phase, or over."""
    return site.user.wait_for("Hub", "plant", lambda hub: rotation_of(hub).get("phase") == phase, within=60)


def ask(site: ClusterSite, token: str = "after-the-theft") -> None:  # noqa: S107 - the value of an annotation
    """Ask for another signing key of the operator."""
    site.user.annotate("Hub", "plant", {"iotsec.dev/rotate-operator": token})


def restart(site: ClusterSite, server: NatsServer) -> None:
    """Restart one server as a pod is: with the Secret as it is by now."""
    server.stop()
    server.mount(site.user.wait_secret("plant-nats-config"))
    server.start()
    server.wait_ready(peers=2)


def restart_all(site: ClusterSite) -> None:
    """A rolling restart."""
    for server in site.cluster.servers:
        restart(site, server)


def signing_seeds(site: ClusterSite) -> dict[str, bytes]:
    found = site.user.wait_secret("plant-signing-keys")
    return {name: seed for name, seed in found.items() if name.split(".")[0] == "operator"}


def account_signers(site: ClusterSite, account: str) -> set[str]:
    """Whose JWTs the servers store for the account."""
    return {jwt.decode(stored_jwt(server, account)).issuer for server in site.cluster.servers}


def public(seed: bytes) -> str:
    return SigningKey.from_seed(Seed(seed)).public


async def test_two_rolling_restarts_replace_the_operators_key_and_nobody_is_refused(
    cluster_site: ClusterSite, operator: Operator
) -> None:
    site = cluster_site
    for device in DEVICES:
        site.user.apply_device(device)
    for device in DEVICES:
        site.user.wait_ready("Device", device)
    thief = KeyHolder(site.user)
    old = public(signing_seeds(site)["operator"])

    async with connecting_all_the_time(site.user, site.cluster.urls, DEVICES) as logins:
        ask(site)
        hub = await off_the_loop(wait_phase, site, "Prepared")
        assert "kubectl rollout restart statefulset/nats" in str(rotation_of(hub)["message"])
        assert set(trusting(hub).values()) <= {"Old"}
        assert condition_of(hub, "Rotating")["reason"] == "OperatorKeyAdded"
        new = public(signing_seeds(site)["operator.2"])

        first, *others = site.cluster.servers
        await off_the_loop(restart, site, first)
        await off_the_loop(
            site.user.wait_for,
            "Hub",
            "plant",
            lambda hub: trusting(hub) == {"nats-0": "Both", "nats-1": "Old", "nats-2": "Old"},
        )
        assert account_signers(site, thief.account) == {old}
        operator.kill()
        for server in others:
            await off_the_loop(restart, site, server)
        await off_the_loop(operator.start)

        hub = await off_the_loop(wait_phase, site, "Resigned")
        assert account_signers(site, thief.account) == {new}
        assert "once more" in str(rotation_of(hub)["message"])
        operator.kill()
        await off_the_loop(operator.start)
        await off_the_loop(restart_all, site)
        await off_the_loop(wait_phase, site, None)
        await logins.two_more_rounds(len(DEVICES))

    assert not logins.refused
    assert logins.made > 20 * len(DEVICES)
    assert list(signing_seeds(site)) == ["operator.2"]
    site.user.wait_event("Hub", "plant", "OperatorKeyReplaced", kind_of="Normal")
    site.user.wait_ready("Hub", "plant")

    await assert_worthless(site, thief, DEVICES[0])
    ask(site)  # heeded already
    site.user.apply_device("weather-99")
    site.user.wait_ready("Device", "weather-99")
    assert list(signing_seeds(site)) == ["operator.2"]


async def assert_worthless(site: ClusterSite, thief: KeyHolder, device: str) -> None:
    """See that no server applies what the former key signs, and that what it stores is put right."""
    site.user.delete("Device", device)
    stolen = site.user.creds(device)
    site.user.wait_gone("Device", device)
    server = site.cluster.servers[1]
    good = stored_jwt(server, thief.account)

    await thief.push(server, thief.reissued(good, later=1000, revoked=frozenset()))

    for each in site.cluster.servers:
        assert await is_refused(each.url, stolen), "the revocation holds"
        assert running_jwt(each, thief.account) in {good, ""}
    wait_until(
        lambda: {stored_jwt(each, thief.account) for each in site.cluster.servers} == {good},
        within=40,
        what="the right JWT is stored everywhere",
    )
    assert await is_refused(server.url, stolen)
    await wait_accepted(server.url, site.user.creds(DEVICES[1]))


async def test_a_server_that_restarts_with_an_older_secret_is_named_and_holds_the_new_key_back(
    cluster_site: ClusterSite,
) -> None:
    site = cluster_site
    older = site.user.wait_secret("plant-nats-config")
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")
    ask(site)
    wait_phase(site, "Prepared")
    late = site.cluster.servers[2]
    for server in site.cluster.servers[:2]:
        await off_the_loop(restart, site, server)
    late.stop()
    late.mount(older)
    late.start()

    hub = site.user.wait_for("Hub", "plant", lambda hub: list(trusting(hub).values()) == ["Both", "Both", "Old"])
    assert rotation_of(hub)["phase"] == "Prepared"
    assert "2 of 3 have: nats-0, nats-1" in str(rotation_of(hub)["message"])
    await wait_accepted(late.url, site.user.creds("weather-01"))

    await off_the_loop(restart, site, late)
    wait_phase(site, "Resigned")
    for url in site.cluster.urls:
        await wait_accepted(url, site.user.creds("weather-01"))


async def test_a_server_that_missed_both_changes_does_not_start_is_waited_for_and_healed_by_the_secret_of_now(
    cluster_site: ClusterSite,
) -> None:
    site = cluster_site
    older = site.user.wait_secret("plant-nats-config")
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")
    ask(site)
    wait_phase(site, "Prepared")
    restart_all(site)
    wait_phase(site, "Resigned")
    late = site.cluster.servers[2]
    late.stop()
    late.mount(older)
    with pytest.raises(ProcessFailedError):
        late.start()  # its volume has the system account's JWT by the key that this Secret does not name

    for server in site.cluster.servers[:2]:
        server.stop()
        server.mount(site.user.wait_secret("plant-nats-config"))
        server.start()
    hub = site.user.wait_for("Hub", "plant", lambda hub: list(trusting(hub).values()) == ["New", "New", "Away"])
    assert "nats-2 does not answer and is waited for" in str(rotation_of(hub)["message"])
    assert list(signing_seeds(site)) == ["operator", "operator.2"]

    restart(site, late)
    wait_phase(site, None)
    for url in site.cluster.urls:
        await wait_accepted(url, site.user.creds("weather-01"))
