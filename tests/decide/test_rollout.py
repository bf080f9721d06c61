"""How far a configuration has come on a server, and when it is asked to read its files again."""

import pytest

from iotsec.decide.rollout import (
    Attempt,
    Away,
    Current,
    Loaded,
    Overruled,
    ReloadRefused,
    Restart,
    RestartNeeded,
    ServerRollout,
    Waiting,
    kicks_clients,
    needs_restart,
    reload_due,
    restart_for,
    server_rollout,
    told,
)

NEW, OLD = "0123456789ab", "ba9876543210"
FIXED, KICKING = "2.15.1", "2.14.2"
LEAF = 'config reload not supported for LeafNode: field "AuthTimeout"'


def running(digest: str, *, started_at: int = 100) -> Loaded:
    return Loaded(id="N0", name="nats-0", version=FIXED, digest=digest, started_at=started_at, ports={"mqtt": 1883})


@pytest.mark.parametrize(
    ("loaded", "attempts", "standing"),
    [
        (None, [], Away()),
        (running(NEW), [], Current()),
        (running(NEW), [Attempt(1, "open ca.crt: no such file or directory"), Attempt(2)], Current()),
        (running(OLD), [], Waiting()),
        (running(""), [Attempt(1)], Waiting()),
        (running(OLD), [Attempt(1, "unknown field"), Attempt(2)], Waiting()),
        (running(OLD), [Attempt(1), Attempt(2, "unknown field")], ReloadRefused("unknown field")),
        (running(OLD), [Attempt(1, LEAF)], RestartNeeded(needs_restart(LEAF))),
    ],
)
def test_only_what_a_server_says_it_has_loaded_is_current(
    loaded: Loaded | None, attempts: list[Attempt], standing: ServerRollout
) -> None:
    assert server_rollout(loaded, wanted=NEW, attempts=attempts) == standing


def test_a_change_that_only_a_start_brings_is_there_once_the_server_started_after_it() -> None:
    restart = Restart(since=200, why="TLS of websocket was switched on: restart it")

    assert server_rollout(running(NEW, started_at=100), wanted=NEW, restart=restart) == RestartNeeded(restart.why)
    assert server_rollout(running(NEW, started_at=200), wanted=NEW, restart=restart) == Current()
    assert server_rollout(running(OLD, started_at=100), wanted=NEW, restart=restart) == Waiting()


def test_of_a_server_that_started_about_then_its_id_tells_whether_it_ran() -> None:
    ran, came = (Restart(since=200, why="restart it", servers=servers) for servers in (("N0",), ()))

    assert server_rollout(running(NEW, started_at=199), wanted=NEW, restart=ran) == RestartNeeded("restart it")
    assert server_rollout(running(NEW, started_at=199), wanted=NEW, restart=came) == Current()


def test_a_server_without_the_listener_needs_no_restart_for_it() -> None:
    of_websocket, of_mqtt = (Restart(since=200, why="restart it", listeners=(name,)) for name in ("websocket", "mqtt"))

    assert server_rollout(running(NEW), wanted=NEW, restart=of_websocket) == Current()
    assert server_rollout(running(NEW), wanted=NEW, restart=of_mqtt) == RestartNeeded("restart it")


def test_a_certificate_of_the_servers_own_configuration_overrules_ours_and_is_told() -> None:
    standing = server_rollout(running(NEW), wanted=NEW, expected="aa", served="bb")

    assert isinstance(standing, Overruled)
    assert "take tls {} out" in standing.why
    assert server_rollout(running(NEW), wanted=NEW, expected="aa", served="aa") == Current()
    assert server_rollout(running(NEW), wanted=NEW, expected="aa", served="") == Current()


def test_reloads_are_asked_for_less_and_less_often() -> None:
    attempts: list[Attempt] = []
    dues = []
    for _ in range(9):
        dues.append(reload_due(attempts, written_at=1000, version=FIXED))
        attempts.append(Attempt(dues[-1]))

    assert [due - 1000 for due in dues] == [1, 3, 8, 18, 38, 68, 98, 128, 158]


def test_where_a_reload_throws_clients_out_it_is_asked_for_once_the_file_must_be_there() -> None:
    first = reload_due([], written_at=1000, version=KICKING)
    second = reload_due([Attempt(first)], written_at=1000, version=KICKING)

    assert first >= 1090
    assert second >= first + 90


def test_a_server_that_must_restart_is_seldom_asked() -> None:
    assert reload_due([Attempt(1000, LEAF)], written_at=999, version=FIXED) == 1300


@pytest.mark.parametrize(
    ("version", "kicks"),
    [
        ("2.10.29", True),
        ("2.11.0", True),
        ("2.12.0", True),
        ("2.12.15", True),
        ("2.12.16-RC.1", True),
        ("2.12.16", False),
        ("2.12.17", False),
        ("2.14.0", True),
        ("2.14.2", True),
        ("2.14.7", True),
        ("2.14.8-RC.1", True),
        ("2.14.8", False),
        ("2.15.0-RC.3", True),
        ("2.15.0", False),
        ("v2.15.1", False),
        ("2.15.2-RC.1", False),
        ("3.0.0", False),
        ("main", True),
        ("", True),
    ],
)
def test_the_versions_whose_reload_throws_clients_out(version: str, kicks: bool) -> None:  # noqa: FBT001
    assert kicks_clients(version) is kicks


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ((), ("websocket",), ["websocket was switched on"]),
        (("websocket", "mqtt"), ("mqtt",), ["websocket was switched off"]),
        ((), ("cluster", "websocket"), ["websocket was switched on", "cluster was switched on, routes"]),
    ],
)
def test_what_a_reload_leaves_as_it_was_is_known_before(
    before: tuple[str, ...], after: tuple[str, ...], named: list[str]
) -> None:
    restart = restart_for(before, after, since=200)

    assert restart is not None
    assert all(name in restart.why for name in named)
    assert restart.why.endswith("restart it")


def test_what_a_reload_does_needs_no_restart() -> None:
    everywhere = ("client", "websocket", "mqtt", "leafnodes", "cluster", "gateway")

    assert restart_for((), ("client", "mqtt"), since=200) is None
    assert restart_for(everywhere, everywhere, since=200) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("config reload not supported for TrustedOperators", "the operator JWT changed"),
        (LEAF, "leafnodes listener"),
        ("config reload not supported for Gateway", "gateway listener"),
        ("config reload not supported for MQTT", "mqtt listener"),
        ("config reload not supported for JetStreamKey", "JetStreamKey of its configuration changed"),
        ("config reload not supported for jetstream storage directory", "jetstream storage directory"),
        ("config reload does not support moving to or from an account resolver", "resolver"),
    ],
)
def test_what_only_a_restart_brings_is_told_in_words(error: str, words: str) -> None:
    why = needs_restart(error)

    assert words in why
    assert why.endswith("restart it")


@pytest.mark.parametrize("error", ["", "open server.crt: no such file or directory", 'unknown field "tsl"'])
def test_a_restart_does_not_help_where_the_file_is_wrong(error: str) -> None:
    assert needs_restart(error) == ""


@pytest.mark.parametrize(
    ("said", "repeated"),
    [
        (
            "config reload not supported for JetStreamKey: old=first, new=second",
            "config reload not supported for JetStreamKey",
        ),
        (
            'config reload not supported for LeafNode: field "AuthTimeout": old=2, new=3',
            'config reload not supported for LeafNode: field "AuthTimeout"',
        ),
        (
            "config reload not supported for TrustedOperators: old=[{\n  jti",
            "config reload not supported for TrustedOperators",
        ),
        (
            "error parsing operator JWT: open eyJ0eXAiOiJK.eyJqdGki.c2ln: none",
            "error parsing operator JWT: open …: none",
        ),
        ('error parsing route url ["nats://me:pass@ x"]', 'error parsing route url ["nats://… x"]'),
        ("bad seed SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY", "bad seed …"),
        ('server.conf:10:1: unknown field "nonsense"\n', 'server.conf:10:1: unknown field "nonsense"'),
    ],
)
def test_a_server_is_quoted_without_what_is_nobodys_business(said: str, repeated: str) -> None:
    assert told(said) == repeated


def test_a_server_that_talks_much_is_cut_short() -> None:
    assert len(told("x" * 5000)) == 300
