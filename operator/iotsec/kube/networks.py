"""NetworkPolicies of Hubs: which Modules they are made of, kept as they should be, and told of."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

import orjson
import structlog

from iotsec.api.module import ModuleSpec
from iotsec.decide.admission import Labels, selector_text
from iotsec.decide.grant import account_of
from iotsec.decide.network_policies import ConnectedModule, OperatorPods, module_policy_name, plan_network
from iotsec.decide.network_status import NetworkState
from iotsec.decide.views import Declared, Identity
from iotsec.kube.client import Client
from iotsec.kube.errors import ApiError
from iotsec.kube.hub_runtime import HubRuntime
from iotsec.kube.identity_cache import IdentityCache
from iotsec.kube.keys import Key
from iotsec.kube.placements import Placements
from iotsec.kube.queue import WorkQueue
from iotsec.kube.resources import HUBS, MODULES, PODS, Selection

log = structlog.get_logger()

_LOOK_SECONDS = 600.0  # between two looks for the pods of a Module
_MISSED_SECONDS = 10.0  # where it had none
_NETWORK = b'"network":'


class Networks:
    """Carries out what Hubs and Modules say of the network.

    ``labels`` are those of each namespace, ``hubs`` gives all Hubs there are; ``operator`` is where this process runs,
    ``None`` outside of the cluster.
    """

    def __init__(
        self,
        *,
        client: Client,
        queue: WorkQueue[Key],
        identities: IdentityCache,
        policies: Placements,
        operator: OperatorPods | None,
        labels: Mapping[str, Labels],
        hubs: Callable[[], Iterable[HubRuntime]],
    ) -> None:
        self._client = client
        self._queue = queue
        self._identities = identities
        self._policies = policies
        self._operator = operator
        self._labels = labels
        self._hubs = hubs
        self._hub_of: dict[Key, tuple[str, str]] = {}
        """The Hub of each Module that says something of its network."""
        self._modules: defaultdict[tuple[str, str], dict[Key, ModuleSpec | None]] = defaultdict(dict)
        """Those Modules of each Hub, and ``None`` for what nobody can read; read when they change, for a Hub looks at
        them again and again."""
        self._seen: dict[Key, tuple[float, str, bool | None]] = {}
        """Whether each Module's selector took any pod, and until when that is believed; by the loop's clock."""

    def changed(self, key: Key) -> None:
        """Look again at a Module that came, changed or is gone."""
        if key.kind != MODULES.kind:
            return
        record = self._identities.get(key)
        before, now = self._hub_of.pop(key, None), None
        if before is not None:
            self._modules[before].pop(key, None)
        if record is not None and _NETWORK in record.spec:
            now = self._hub_of[key] = record.hub
            self._modules[now][key] = ModuleSpec.parse_network(orjson.loads(record.spec))
        else:
            self._seen.pop(key, None)
        for hub in {place for place in (before, now) if place is not None}:
            self._queue.add(Key(HUBS.kind, *hub))

    async def keep(self, hub: HubRuntime) -> None:
        """Make a Hub's policies what they should be.

        Raises:
            ApiError: the API server does not work; try again.

        """
        if hub.spec is None or hub.view is None:
            return  # what is there stays until more is known
        place = hub.key.namespace, hub.key.name
        told_of = self._modules.get(place, {})
        modules = [one for key in told_of if (one := self._module(key, told_of[key], hub)) is not None]
        others = ((one.key.namespace, one.spec) for one in self._hubs() if one is not hub and one.spec is not None)
        plan = plan_network(*place, hub.spec, modules, operator=self._operator, labels=self._labels, hubs=others)
        conflicts = {**await self._policies.keep(hub.key, plan.policies, leaves=plan.leaves), **plan.refused}
        told = tuple(conflicts[at] for at in sorted(conflicts))
        hub.network = NetworkState(len(plan.policies), told, plan.cautions) if hub.spec.network is not None else None

    async def forget(self, hub: Key) -> None:
        """Take note that a Hub is no more: its policies go."""
        await self._policies.keep(hub, {})

    async def selects_pods(self, key: Key, identity: Declared) -> bool | None:
        """Tell whether a Module's selector takes any pod, as of late; ``None`` without one, or without the right."""
        spec = identity.spec if isinstance(identity, Identity) else None
        if not isinstance(spec, ModuleSpec) or spec.network is None or spec.network.all_pods:
            return None
        now, selector = asyncio.get_running_loop().time(), selector_text(spec.network.pod_selector)
        due, looked_for, found = self._seen.get(key, (now, "", False))
        if due <= now or looked_for != selector:
            found = await self._look(key, selector)
            due = now + (_MISSED_SECONDS if found is False else _LOOK_SECONDS)
            self._seen[key] = due, selector, found
        self._queue.add_after(key, due - now)
        return found

    async def _look(self, key: Key, selector: str) -> bool | None:
        """Tell whether there is such a pod; a Module works without an answer, too."""
        try:
            return await self._client.any(Selection(PODS, key.namespace, labels=selector))
        except ApiError as error:
            if error.code != HTTPStatus.FORBIDDEN:
                raise
            log.warning("pods cannot be looked for", object=str(key), error=str(error))
            return None

    def _module(self, key: Key, spec: ModuleSpec | None, hub: HubRuntime) -> ConnectedModule | None:
        """Return a Module that the Hub admits; as if it were suspended, one that is being deleted, or was admitted."""
        record = self._identities.get(key)
        if record is None or hub.view is None:
            return None
        admitted = account_of(hub.view, key.namespace, record.account, record.holds_account) is not None
        if not admitted and not self._policies.has(hub.key, (key.namespace, module_policy_name(key.name))):
            return None
        if spec is not None and (record.deleting or not admitted):
            spec = spec.model_copy(update={"suspended": True})
        return ConnectedModule(key.namespace, key.name, spec)
