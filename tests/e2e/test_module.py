"""Pods that log in with the Secret they mount are held to their role, and a Module's outlive a rotation."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.conftest import Site
from e2e.installation import ROOT, hardened

from testbed.api import RequestRefusedError
from testbed.apply import apply_objects
from testbed.node.operator_image import NAME as IMAGE
from testbed.node.pods import log_of, pods_of
from testbed.user import Object, User
from testbed.waiting import wait_until

NAME = "ingest"
SERVER = "nats://nats.iot.svc:4222"
ALLOWED = ("event.alarm.raised", "client.mine.core.v1alpha.list")
FORBIDDEN = ("$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "alone")
_VOLUME = {"name": "script", "configMap": {"name": NAME}}
_SCRIPT = {"name": "script", "mountPath": "/etc/ingest", "readOnly": True}


def runs_script(container: Object, *subjects: str) -> Object:
    """A container as it was written, that runs our script from our image and tries these subjects."""
    command = ["/opt/iotsec/bin/python", "/etc/ingest/ingest.py", SERVER, *subjects]
    more = {"command": command, "env": container.get("env", []), "volumeMounts": [*container["volumeMounts"], _SCRIPT]}
    return hardened(NAME, IMAGE, **more)


def example() -> list[Object]:
    """The example as it stands, but for what its pods run."""
    module, deployment = yaml.safe_load_all((ROOT / "examples" / "modules" / "module.yaml").read_text())
    spec = deployment["spec"]["template"]["spec"]
    spec["containers"] = [runs_script(container, *ALLOWED, *FORBIDDEN) for container in spec["containers"]]
    spec["volumes"].append(_VOLUME)
    spec["terminationGracePeriodSeconds"] = 1
    script = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": "iot"}}
    return [module, deployment, {**script, "data": {"ingest.py": Path(__file__).with_name("ingest.py").read_text()}}]


def told(user: User, pod: str) -> dict[str, str] | None:
    """What a pod has told once it has told all, None before."""
    try:
        log = log_of(user, pod)
    except RequestRefusedError:  # it has not begun
        return None
    lines = (line.rpartition(" ") for line in log.splitlines())
    answers = {what: answer for what, _, answer in lines}
    return answers if "told" in answers or answers.get("login") == "refused" else None


def told_with(user: User, key: str) -> dict[str, str] | None:
    """What the pod has told that logged in with a key."""
    for pod in pods_of(user, app=NAME):
        answers = told(user, pod["metadata"]["name"])
        if answers and answers["key"] == key:
            return answers
    return None


@pytest.fixture(scope="session")
def module(site: Site) -> User:
    apply_objects(site.user.api, example())
    site.user.wait_ready("Module", NAME)
    return site.user


def key_of(module: User) -> Any:
    return (module.get("Module", NAME) or {})["status"]["publicKey"]


def test_its_pod_logs_in_and_is_held_to_its_role(module: User) -> None:
    answers = wait_until(lambda: told_with(module, key_of(module)), within=60, what="the pod has told all")

    assert answers["login"] == "accepted"
    assert {subject: answers[subject] for subject in ALLOWED} == dict.fromkeys(ALLOWED, "allowed")
    assert {subject: answers[subject] for subject in FORBIDDEN} == dict.fromkeys(FORBIDDEN, "refused")


def test_its_pods_are_replaced_when_its_credentials_are(module: User) -> None:
    before = key_of(module)
    wait_until(lambda: told_with(module, before), within=60, what="the pod has told all")

    module.annotate("Module", NAME, {"iotsec.dev/rotate": "once"})
    rotated = module.wait_for("Module", NAME, lambda found: found["status"]["publicKey"] != before)

    key = rotated["status"]["publicKey"]
    assert wait_until(lambda: told_with(module, key), within=60, what="a pod has the new key")["login"] == "accepted"


def test_a_pod_with_a_devices_secret_speaks_for_that_device_alone(module: User) -> None:
    mine, others = "device.weather-01.telemetry", ("device.pump-07.telemetry", "event.alarm.raised")
    creds = {"name": "creds", "mountPath": "/etc/nats", "readOnly": True}
    environment = [{"name": "NATS_CREDS", "value": "/etc/nats/nats.creds"}]
    container = runs_script({"volumeMounts": [creds], "env": environment}, mine, *others)
    secret = {"name": "creds", "secret": {"secretName": "weather-01-device-creds"}}
    module.create("Pod", "weather", spec={"containers": [container], "volumes": [_VOLUME, secret]})

    answers = wait_until(lambda: told(module, "weather"), within=30, what="the pod has told all") or {}

    assert answers[mine] == "allowed"
    assert {subject: answers[subject] for subject in others} == dict.fromkeys(others, "refused")


def test_a_pod_without_credentials_is_not_let_in(module: User) -> None:
    spec = {"containers": [runs_script({"volumeMounts": []})], "volumes": [_VOLUME], "restartPolicy": "Never"}
    module.create("Pod", "stranger", spec=spec)

    answers = wait_until(lambda: told(module, "stranger"), within=30, what="the stranger has told all")

    assert answers == {"login": "refused"}
