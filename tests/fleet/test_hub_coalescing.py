"""Many changes of an account at once make few pushes, and each push a later JWT."""

import json

from fleet.conftest import Site
from fleet.key_holder import KeyHolder, issued_at, revocations, stored_jwt

from testbed.operator import Operator
from testbed.waiting import wait_until

DEVICES = 60


def pushes(operator: Operator, site: Site, account: str) -> int:
    """How often the account's JWT was pushed so far."""
    lines = (json.loads(line) for line in operator.log.read_text().splitlines() if '"account pushed"' in line)
    return sum(line["account"] == account and site.user.namespace in line["hub"] for line in lines)


def test_many_deletions_at_once_make_few_pushes(operator: Operator, site: Site) -> None:
    names = [f"weather-{number:02}" for number in range(DEVICES)]
    for name in names:
        site.user.apply_device(name)
    for name in names:
        site.user.wait_ready("Device", name)
    account = KeyHolder(site.user).account
    before = pushes(operator, site, account)

    site.user.delete_all("Device")

    wait_until(lambda: not any(site.user.get("Device", name) for name in names), what="all are gone")
    assert len(revocations(stored_jwt(site.server, account))) == DEVICES
    assert 1 <= pushes(operator, site, account) - before <= DEVICES / 4


def test_an_account_is_never_issued_at_the_same_instant_again_not_even_by_the_next_operator(
    operator: Operator, site: Site
) -> None:
    account = KeyHolder(site.user).account
    instants = [issued_at(stored_jwt(site.server, account))]

    for name in ("weather-01", "weather-02", "weather-03"):
        site.user.apply_device(name)
        site.user.wait_ready("Device", name)
    for name in ("weather-01", "weather-02", "weather-03"):
        site.user.delete("Device", name)
        site.user.wait_gone("Device", name)
        instants.append(issued_at(stored_jwt(site.server, account)))
        operator.kill()
        operator.start()

    assert instants == sorted(set(instants))
