"""Who is connected to a cluster: at whichever server, and no longer when that one is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from broker.attendance import watching
from broker.one_account import Trust, new_key

from iotsec.nats.keys import KeyType
from testbed.clients import connect_as
from testbed.nats_cluster import NatsCluster
from testbed.waiting import until


@pytest.fixture
def trust() -> Trust:
    return Trust()


@pytest.fixture
def cluster(tmp_path: Path, trust: Trust) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path / "cluster", 3) as cluster:
        cluster.mount(trust.config())
        cluster.start()
        cluster.wait_ready()
        yield cluster


async def test_a_device_is_connected_wherever_it_is_until_its_server_is_lost(
    trust: Trust, cluster: NatsCluster
) -> None:
    ours, other, third = cluster.servers
    early, late = new_key(KeyType.USER), new_key(KeyType.USER)
    async with watching(trust, ours) as watch:
        await watch.push_everywhere(servers=3)
        async with connect_as(other.url, trust.device(early)):
            await watch.follow()
            async with connect_as(third.url, trust.device(late)):
                await until(lambda: watch.connected() == {early.public: 1, late.public: 1})

                other.kill()
                await watch.follow_until(lambda: len(watch.servers.known) == 2)

                assert watch.connected() == {late.public: 1}
        other.start()
        other.wait_ready(peers=2)
        async with connect_as(other.url, trust.device(early)):
            await watch.follow_until(lambda: len(watch.servers.known) == 3)

            assert watch.connected() == {early.public: 1}
