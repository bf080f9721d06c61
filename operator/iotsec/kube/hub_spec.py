"""Which spec a Hub goes by: the one there is, or, where that has a fault, what was right before."""

from iotsec.api.hub import Hub, HubSpec
from iotsec.api.model import SpecError
from iotsec.decide import sharing
from iotsec.decide.rotation_policy import late_windows
from iotsec.kube.hub_runtime import HubRuntime


def specify(runtime: HubRuntime, hub: Hub, *, known: bool, now: int) -> HubSpec:
    """Take in a Hub's spec, and return what to go by: one with a fault changes nothing of what is there.

    ``known`` tells whether there ever was anything. An operator that starts does not know what was right before: it
    leaves out what cannot be, for credentials must go on ending and being renewed.

    Raises:
        SpecError: it has a fault, and nothing is there.

    """
    if runtime.generation != hub.metadata.generation:
        runtime.fault = sharing.fault(hub.spec)
        runtime.late_windows = late_windows(hub.spec, now=now)
    if runtime.fault and runtime.spec is None and not known:
        raise SpecError("", runtime.fault)
    if not runtime.fault or runtime.spec is None:
        runtime.spec = sharing.sound(hub.spec) if runtime.fault else hub.spec
    return runtime.spec
