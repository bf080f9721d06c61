"""Nothing secret in anything that is told: looked for after all other tests, in all that they had the operator say."""

import json
import re
from pathlib import Path

from fleet.conftest import Site

from testbed.control_plane import ControlPlane
from testbed.operator import Operator

SECRET = re.compile(r"S[OAUNCX][A-Z2-7]{56}|eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{10,}|LS0tLS1CRUdJTi[A-Za-z0-9+/]{16,}")
FLEET = "/apis/iotsec.dev/v1alpha1"


def findings(text: str) -> list[str]:
    """Where something secret stands; never the thing itself."""
    return [f"at {found.start()}: {found.group()[:3]}…" for found in SECRET.finditer(text)]


def test_the_search_finds_a_seed_and_a_jwt(site: Site) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")

    assert len(findings(site.user.creds("weather-01"))) == 2


def test_the_operators_log_is_clean(operator: Operator) -> None:
    text = operator.log.read_text()

    assert '"action"' in text
    assert findings(text) == []


def test_objects_statuses_and_events_are_clean(plane: ControlPlane, site: Site) -> None:
    site.user.apply_device("weather-01")
    site.user.wait_ready("Device", "weather-01")

    for path in (f"{FLEET}/hubs", f"{FLEET}/devices", "/apis/events.k8s.io/v1/events"):
        items = plane.api.request("GET", path)["items"]
        assert items
        assert findings(json.dumps(items)) == []


def test_the_audit_log_is_clean(plane: ControlPlane) -> None:
    assert findings(Path(plane.audit_log).read_text()) == []


def test_metadata_of_our_secrets_is_clean(plane: ControlPlane) -> None:
    items = plane.api.request("GET", "/api/v1/secrets?labelSelector=iotsec.dev/component")["items"]

    assert findings(json.dumps([item["metadata"] for item in items])) == []
