"""What is told of NetworkPolicies: whether they are there, and what of them should be looked at."""

from dataclasses import dataclass

from iotsec.api.hub import HubSpec
from iotsec.api.identity import IdentitySpec
from iotsec.api.module import ModuleSpec
from iotsec.decide import conditions
from iotsec.decide.conditions import Condition, Reason

_NAMED = 5


@dataclass(frozen=True, slots=True)
class NetworkState:
    """The NetworkPolicies of a Hub as they stand."""

    policies: int
    """How many are wanted."""
    conflicts: tuple[str, ...] = ()
    """Why some of them cannot be so."""
    cautions: tuple[str, ...] = ()


def hub_network_conditions(state: NetworkState | None) -> tuple[Condition, ...]:
    """Return what a Hub tells of its network; nothing where it asks for nothing."""
    if state is None:
        return ()
    caution = "; ".join(state.cautions)
    told = (Condition(conditions.NETWORK_CAUTION, "True", Reason.AS_DECLARED, caution),) if caution else ()
    kind = conditions.NETWORK_POLICIES_WRITTEN
    if state.conflicts:
        return (Condition(kind, "False", Reason.NETWORK_POLICY_CONFLICT, _some(state.conflicts)), *told)
    return (Condition(kind, "True", Reason.WRITTEN, f"{state.policies} NetworkPolicies are as they should be"), *told)


def module_network_conditions(spec: IdentitySpec, hub: HubSpec, *, selects: bool | None) -> tuple[Condition, ...]:
    """Return what an identity tells of its network where that needs somebody's attention.

    ``selects`` is whether its selector takes any pod, ``None`` where nobody looked.
    """
    if not isinstance(spec, ModuleSpec) or spec.network is None:
        return ()
    if hub.network is None:
        message = "its Hub says nothing of the network, so it has no NetworkPolicy: set spec.network of the Hub"
        return (Condition(conditions.NETWORK_CAUTION, "True", Reason.NETWORK_UNKNOWN, message),)
    if selects is False:
        message = "spec.network.podSelector takes no pod that there is: compare it with the labels of the pods"
        return (Condition(conditions.SELECTS_NO_PODS, "True", Reason.NO_PODS, message),)
    return ()


def _some(messages: tuple[str, ...]) -> str:
    more = f" (and {len(messages) - _NAMED} more)" if len(messages) > _NAMED else ""
    return "; ".join(messages[:_NAMED]) + more
