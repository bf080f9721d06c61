import base64
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from kubernetes import client, config

from testbed.quickstart import write_quickstart
from testbed.state import State
from testbed.waiting import wait_until

PROJECT = Path(__file__).parents[2]


def answers(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port)).close()
    except ConnectionRefusedError:
        return False
    return True


def run(command: str, directory: Path) -> str:
    answer = subprocess.run(
        [sys.executable, "-m", "testbed", command, "--directory", directory],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout


def test_two_clusters_come_up_side_by_side_and_go_one_by_one(tmp_path: Path) -> None:
    clusters = (tmp_path / "one", tmp_path / "two")
    try:
        assert all("KUBECONFIG" in run("up", cluster) for cluster in clusters)
        one, two = (State.read(cluster) for cluster in clusters)
        assert one
        assert two
        assert one.nats_url != two.nats_url
        assert run("up", clusters[0])
        assert State.read(clusters[0]) == one
        run("down", clusters[0])
        assert not clusters[0].exists()
        assert not one.running
        assert two.running
    finally:
        for cluster in clusters:
            run("down", cluster)
    assert not two.running


def test_its_nats_server_follows_the_secret_of_a_hub(tmp_path: Path, secret: dict[str, bytes]) -> None:
    run("up", tmp_path)
    try:
        state = State.read(tmp_path)
        assert state
        assert not answers(state.nats_url)
        with config.new_client_from_config(str(tmp_path / "kubeconfig")) as api:
            core = client.CoreV1Api(api)
            data = {name: base64.b64encode(content).decode() for name, content in secret.items()}
            labels = {"iotsec.dev/component": "nats-config"}
            metadata = {"name": "plant-nats-config", "labels": labels}
            core.create_namespaced_secret("default", {"metadata": metadata, "data": data})
            assert wait_until(lambda: answers(state.nats_url))
            core.delete_namespaced_secret("plant-nats-config", "default")
            assert wait_until(lambda: not answers(state.nats_url))
    finally:
        run("down", tmp_path)


def test_down_leaves_a_process_alone_that_has_only_the_same_number(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        State(pid=stranger.pid, started="another time", nats_url="", websocket_url="").write(tmp_path)
        run("down", tmp_path)
        assert stranger.poll() is None


def test_the_quickstart_is_copied_with_another_server_for_its_hub(tmp_path: Path) -> None:
    example = tmp_path / "example"
    example.mkdir()
    (example / "hub.yaml").write_text("kind: Hub\n")
    write_quickstart(example, tmp_path / "copy", nats_url="nats://127.0.0.1:1")
    assert (tmp_path / "copy" / "hub.yaml").read_text() == "kind: Hub\n"
    assert "nats://127.0.0.1:1" in (tmp_path / "copy" / "kustomization.yaml").read_text()
