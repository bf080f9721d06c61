"""The resources the operator talks about, and their paths."""

from dataclasses import dataclass

from iotsec.api.meta import GROUP, VERSION


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of the API server; the objects of one that is cluster-scoped have no namespace."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def api_version(self) -> str:
        """``group/version``, as objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the URL path of a collection, an object, or a subresource."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


@dataclass(frozen=True, slots=True)
class Selection:
    """Some objects of a resource: what one list and one watch are of."""

    resource: Resource
    namespace: str | None = None
    """The only one they are in; ``None``: any."""
    name: str = ""
    """The only one that is meant, if any; rights may be given for it alone."""
    labels: str = ""
    """The label selector they fit, if any."""

    @property
    def path(self) -> str:
        """The URL path of the list and the watch."""
        return self.resource.path(self.namespace)

    def parameters(self) -> dict[str, str]:
        """Return what the URL's query says of them."""
        fields = {"fieldSelector": f"metadata.name={self.name}"} if self.name else {}
        return fields | ({"labelSelector": self.labels} if self.labels else {})


HUBS = Resource(GROUP, VERSION, "hubs", "Hub")
DEVICES = Resource(GROUP, VERSION, "devices", "Device")
MODULES = Resource(GROUP, VERSION, "modules", "Module")
CLIENTS = Resource(GROUP, VERSION, "clients", "Client")
TLS_POLICIES = Resource(GROUP, VERSION, "tlspolicies", "TLSPolicy")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
PODS = Resource("", "v1", "pods", "Pod")
SECRETS = Resource("", "v1", "secrets", "Secret")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
