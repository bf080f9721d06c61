"""Prometheus is told what is so when it asks, in the format that it reads."""

import re
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from iotsec.endpoints.metrics import (
    Gauge,
    Metrics,
    MetricsEndpoint,
    build_info,
    certificate_mismatches,
    identities,
)

ROOT = Path(__file__).parents[2]


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every figure, by its name and the values of its labels, in the order of their names."""
    body, _ = metrics.told()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_identities_are_counted_by_kind_and_by_whether_they_are_ready() -> None:
    metrics = Metrics()
    metrics.register(identities(lambda: [("Device", True), ("Device", True), ("Device", False), ("Client", True)]))

    assert samples(metrics) == {
        ("iotsec_identities", "Device", "true"): 2,
        ("iotsec_identities", "Device", "false"): 1,
        ("iotsec_identities", "Client", "true"): 1,
    }


def test_a_hub_that_is_gone_is_told_of_no_more() -> None:
    hubs: dict[tuple[str, ...], float] = {("iot", "plant"): 2}
    metrics = Metrics()
    metrics.register(certificate_mismatches(lambda: hubs))
    assert samples(metrics) == {("iotsec_certificate_mismatch", "plant", "iot"): 2}

    hubs.clear()

    assert samples(metrics) == {}


def test_a_name_that_is_told_already_is_refused() -> None:
    metrics = Metrics()
    metrics.register(build_info("0.1.0"))

    with pytest.raises(ValueError, match="iotsec_build_info"):
        metrics.register(build_info("0.1.1"))


def test_a_label_with_quotes_and_line_breaks_stays_one_label() -> None:
    metrics = Metrics()
    metrics.register(Gauge("iotsec_any", "Any.", ("text",), lambda: {('a"b\nc\\',): 1}))

    assert samples(metrics) == {("iotsec_any", 'a"b\nc\\'): 1}


async def test_it_is_served_as_prometheus_asks_for_it() -> None:
    metrics = Metrics()
    metrics.register(build_info("0.1.0"))
    endpoint = MetricsEndpoint(metrics, host="127.0.0.1", port=0)
    await endpoint.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{endpoint.port}") as session:
            async with session.get("/metrics") as answer:
                assert answer.headers["Content-Type"].startswith("text/plain")
                assert 'iotsec_build_info{version="0.1.0"} 1.0' in await answer.text()
            async with session.get("/metrics", headers={"Accept": "application/openmetrics-text"}) as answer:
                assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
                assert (await answer.text()).endswith("# EOF\n")
            async with session.get("/") as answer:
                assert answer.status == 404
    finally:
        await endpoint.close()


async def test_a_figure_that_cannot_be_counted_fails_the_scrape_and_nothing_else() -> None:
    def broken() -> dict[tuple[str, ...], float]:
        raise RuntimeError("not now")

    metrics = Metrics()
    metrics.register(Gauge("iotsec_broken", "Broken.", (), broken))
    endpoint = MetricsEndpoint(metrics, host="127.0.0.1", port=0)
    await endpoint.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{endpoint.port}") as session:
            for _ in range(2):
                async with session.get("/metrics") as answer:
                    assert answer.status == 500
    finally:
        await endpoint.close()


def test_every_metric_has_a_row_with_its_labels() -> None:
    page = (ROOT / "docs" / "operator.md").read_text()
    gauges = (identities(list), certificate_mismatches(dict), build_info("0.1.0"))

    rows = re.findall(r"^\| `(iotsec_\w+)\{([\w, ]+)\}` \|", page, re.MULTILINE)

    assert {(name, tuple(labels.split(", "))) for name, labels in rows} == {(one.name, one.labels) for one in gauges}
