"""What ``kubectl get -o wide`` prints."""

from typing import Any

from api.objects import client, device, hub, module
from api.statuses import OF_A_HUB, OF_A_POLICY, OF_AN_IDENTITY
from api.tls_policies import policy

Json = dict[str, Any]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def test_a_table_shows_whether_a_device_is_ready_and_until_when(kinds: Any, namespace: str) -> None:
    created = kinds.create(device(), namespace)
    created["status"] = OF_AN_IDENTITY
    kinds.write_status(created)
    assert table(kinds.find("devices", namespace, accept=TABLE)) == {
        "Name": "weather-01",
        "Ready": "True",
        "Expires": "2999-03-02T12:00:00Z",
        "Secret": "weather-01-device-creds",
        "Age": "0s",
        "Role": "device",
        "Message": "The credentials work until 2999",
    }


def test_a_table_shows_what_a_module_runs(kinds: Any, namespace: str) -> None:
    kinds.create(module(workload={"kind": "Deployment", "name": "mir-core"}), namespace)
    assert table(kinds.find("modules", namespace, accept=TABLE)) == {
        "Name": "protobuf",
        "Ready": None,
        "Expires": None,
        "Secret": None,
        "Age": "0s",
        "Role": None,
        "Message": None,
        "Workload": "mir-core",
    }


def test_a_table_shows_what_a_client_was_given(kinds: Any, namespace: str) -> None:
    created = kinds.create(client(accessLevel="Swarm"), namespace)
    created["status"] = OF_AN_IDENTITY | {"role": "client-swarm"}
    kinds.write_status(created)
    shown = table(kinds.find("clients", namespace, accept=TABLE))
    assert (shown["Ready"], shown["Role"]) == ("True", "client-swarm")


def test_a_table_shows_what_to_mount_for_a_hub(kinds: Any, namespace: str) -> None:
    created = kinds.create(hub(), namespace)
    created["status"] = OF_A_HUB
    kinds.write_status(created)
    assert table(kinds.find("hubs", namespace, accept=TABLE)) == {
        "Name": "plant",
        "Ready": "True",
        "Config": "plant-nats-config",
        "Age": "0s",
        "Operator": "O" + "A" * 55,
        "Message": "The credentials work until 2999",
    }


def test_a_table_shows_when_a_hubs_ca_ends(kinds: Any, namespace: str) -> None:
    created = kinds.create(policy(mode="Mutual"), namespace)
    created["status"] = OF_A_POLICY
    kinds.write_status(created)
    assert table(kinds.find("tlspolicies", namespace, accept=TABLE)) == {
        "Name": "plant",
        "Ready": "True",
        "Hub": "plant",
        "Mode": "Mutual",
        "CA-Expires": "2035-01-31T12:00:00Z",
        "Age": "0s",
        "Rotation": "Trust",
        "Message": "The credentials work until 2999",
    }


def table(shown: Json) -> Json:
    """The only row of what ``kubectl get -o wide`` prints; an age of seconds is 0s."""
    titles = [column["name"] for column in shown["columnDefinitions"]]
    (row,) = shown["rows"]
    cells = dict(zip(titles, row["cells"], strict=True))
    assert cells["Age"].endswith("s")
    return cells | {"Age": "0s"}
