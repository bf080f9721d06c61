"""ConfigMaps with a Hub's trust bundle: what verifies its servers, for workloads that have no identity's Secret."""

from collections.abc import Mapping

from iotsec.decide.admission import Labels, chosen_namespaces
from iotsec.decide.authorities import Authorities
from iotsec.decide.placement import Sort, Wanted
from iotsec.decide.tls_settings import TlsSettings

TRUST_BUNDLES = Sort(
    api_version="v1",
    kind="ConfigMap",
    component="trust-bundle",
    field="data",
    shared=True,
    advice="set another spec.trustBundle.configMap.name in the TLSPolicy",
)


def bundle_name(hub: str) -> str:
    """Name of the ConfigMaps of a Hub where its policy gives none."""
    return f"{hub}-ca-bundle"


BY_UNKNOWN_LABELS = (
    "spec.trustBundle.namespaces is a selector, and this operator may not look at labels of namespaces: set from to "
    "Same or All, or run the operator for the whole cluster"
)


def chosen_by_unknown_labels(settings: TlsSettings, labels: Mapping[str, Labels]) -> bool:
    """Tell whether nobody can know in which namespaces the bundle is wanted."""
    by_labels = settings.bundle is not None and settings.bundle.namespaces.selector is not None
    return by_labels and None in labels.values()


def wanted_bundles(
    settings: TlsSettings | None,
    state: Authorities | None,
    hub: str,
    *,
    namespace: str,
    labels: Mapping[str, Labels],
) -> Wanted:
    """Return what is to be in which ConfigMaps of a Hub; in none where none are asked for, or there is no CA yet.

    ``labels`` are those of each namespace there is.
    """
    if settings is None or settings.bundle is None or state is None:
        return {}
    asked, chosen = settings.bundle, settings.bundle.namespaces
    name, content = asked.name or bundle_name(hub), {asked.key: state.bundle.decode()}
    namespaces = chosen_namespaces(chosen.from_, chosen.selector, hub_namespace=namespace, labels=labels)
    return {(one, name): content for one in namespaces}
