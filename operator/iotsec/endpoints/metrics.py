"""What Prometheus is told of this process: every figure is counted when it asks, and none outlives what it counts."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from iotsec.endpoints.endpoint import Endpoint

PATH: Final = "/metrics"


@dataclass(frozen=True, slots=True)
class Gauge:
    """A figure, once for each set of values that its labels have."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    count: Callable[[], Mapping[tuple[str, ...], float]]
    """Counts, by the values of the labels in their order; called at each scrape, from the event loop."""


def certificate_mismatches(count: Callable[[], Mapping[tuple[str, ...], float]]) -> Gauge:
    """Return how many identities are connected with a certificate of somebody else; ``count`` by namespace and hub."""
    return Gauge(
        "iotsec_certificate_mismatch",
        "Connected identities that present the certificate of somebody else, by the Hub they are connected to.",
        ("namespace", "hub"),
        count,
    )


def identities(states: Callable[[], Iterable[tuple[str, bool]]]) -> Gauge:
    """Return how many identities there are; ``states`` yields the kind of each, and whether it is ready."""

    def count() -> Mapping[tuple[str, ...], float]:
        return Counter((kind, str(ready).lower()) for kind, ready in states())

    return Gauge("iotsec_identities", "Identities, by kind and whether they are Ready.", ("kind", "ready"), count)


def leader(leads: Callable[[], bool]) -> Gauge:
    """Return whether this is the replica that works."""
    return Gauge("iotsec_leader", "1 where this replica works, 0 where it stands by.", (), lambda: {(): float(leads())})


def build_info(version: str) -> Gauge:
    """Return which version runs, in a label, as is the custom of Prometheus."""
    return Gauge(
        "iotsec_build_info", "Always 1; the label says which version runs.", ("version",), lambda: {(version,): 1}
    )


class _Counted(Collector):
    """A gauge as the library collects it."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return [self._family()]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = self._family()
        for values, figure in sorted(self._gauge.count().items()):
            family.add_metric(values, figure)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(self._gauge.name, self._gauge.meaning, labels=self._gauge.labels)


class Metrics:
    """Every figure of this process."""

    def __init__(self) -> None:
        # Not the library's own registry, which is one for all that a process ever imports.
        self._registry = CollectorRegistry()

    def register(self, *gauges: Gauge) -> None:
        """Tell these from now on; raises ``ValueError`` where one of that name is told already."""
        for gauge in gauges:
            self._registry.register(_Counted(gauge))

    def told(self, accept: str = "") -> tuple[bytes, str]:
        """Return all figures as they are now, and their content type; ``accept`` is the header of that name."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class MetricsEndpoint(Endpoint):
    """Answers Prometheus over HTTP, between `start` and `close`; whoever reaches it may read."""

    listens = "metrics endpoint listens"
    keepalive_seconds = 75

    def __init__(self, metrics: Metrics, *, host: str, port: int) -> None:
        """Prepare; port 0 takes one that is free."""
        super().__init__(host=host, port=port)
        self._metrics = metrics

    def _application(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get(PATH, self._scraped)])
        return app

    async def _scraped(self, http: web.Request) -> web.Response:
        body, content_type = self._metrics.told(http.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})
