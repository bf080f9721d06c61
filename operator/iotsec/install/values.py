"""The values of the Helm chart: ``values.yaml``, its schema and its page are generated from these models."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DURATION = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"  # as Prometheus reads it, largest unit first

Name = Annotated[str, Field(pattern=f"^{_LABEL}$", max_length=63)]
Port = Annotated[int, Field(ge=1, le=65535)]
UnprivilegedPort = Annotated[int, Field(ge=1024, le=65535)]
Cidr = Annotated[str, Field(pattern="^[0-9a-fA-F:.]+/[0-9]{1,3}$")]
Labels = dict[str, str]
Quantity = Annotated[str, Field(pattern="^[0-9.]+([munkMGTPE]|[KMGTPE]i)?$")] | int | float
KubernetesObject = dict[str, Any]
Unique = Field(json_schema_extra={"uniqueItems": True})
Ports = Annotated[list[Port], Field(min_length=1), Unique]  # in a NetworkPolicy, none means every one


class Values(BaseModel):
    """Values with nothing beside them that nobody reads: a misspelt one is refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )


class Image(Values):
    """The operator's image."""

    repository: str = ""
    """Registry and name, e.g. `registry.example.com/iot-security-operator`. Required: no image is published."""
    tag: Annotated[str, Field(pattern="^[A-Za-z0-9_.-]*$", max_length=128)] = ""
    """Its tag; empty: the chart's `appVersion`. A digest counts more."""
    digest: Annotated[str, Field(pattern="^(sha256:[0-9a-f]{64})?$")] = ""
    """Its digest, `sha256:…`: what runs is what was tested, whoever moves the tag."""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When the kubelet pulls it."""
    pull_secrets: Annotated[list[Name], Unique] = []
    """Names of Secrets, in the release's namespace, with which it is pulled."""


class Crds(Values):
    """The CustomResourceDefinitions."""

    enabled: bool = True
    """Install and upgrade them with the release."""
    keep: bool = True
    """Leave them, and so all Hubs and identities, when the release is uninstalled."""


class Rbac(Values):
    """Rights."""

    create: bool = True
    """Create the operator's roles and their bindings."""
    user_roles: bool = True
    """Add our kinds to the ClusterRoles `view`, `edit` and `admin`. `view` shows Devices, and not their Secrets."""


class ServiceAccount(Values):
    """Who the operator is at the API server."""

    create: bool = True
    """Create it."""
    name: Annotated[str, Field(pattern=f"^({_LABEL})?$", max_length=63)] = ""
    """Its name; empty: that of the release's other objects. Required where it is not created."""
    annotations: Labels = {}
    """Its annotations."""


class LeaderElection(Values):
    """Which replica works."""

    enabled: bool = True
    """Have replicas choose one by a Lease; the others take its place when it goes. Required for two or more."""
    lease_seconds: Annotated[int, Field(ge=5, le=300)] = 15
    """Seconds after which another replica takes the place of one that is heard of no more."""


class Settings(Values):
    """How the operator works."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """How much it logs."""
    workers: Annotated[int, Field(ge=1, le=1000)] = 16
    """How many objects are worked on at once."""
    writes_per_second: Annotated[float, Field(ge=2)] = 50
    """API writes a second that renewals keep within, together with all else."""
    presence_writes: Annotated[float, Field(ge=0.1)] = 10
    """Statuses a second that tell who is connected, at most."""
    listen_address: Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:.]+\]|[0-9.]+)$")] = "0.0.0.0"  # noqa: S104 - a pod
    """Where it listens, in its pod; `[::]` where pods have IPv6 alone."""


class Monitor(Values):
    """How the Prometheus operator is told to scrape."""

    enabled: bool = False
    """Create it; needs the Prometheus operator's CRDs."""
    interval: Annotated[str, Field(pattern=_DURATION, min_length=1)] = "30s"
    """How often is scraped."""
    labels: Labels = {}
    """Labels by which your Prometheus finds it."""


class Metrics(Values):
    """What Prometheus scrapes; see docs/operator.md."""

    enabled: bool = True
    """Answer Prometheus at `/metrics`."""
    port: UnprivilegedPort = 9090
    """At which port."""
    service_monitor: Monitor = Monitor()
    """A ServiceMonitor."""
    pod_monitor: Monitor = Monitor()
    """A PodMonitor, instead of a ServiceMonitor."""


class Revocation(Values):
    """Tells servers which certificates are revoked, by OCSP and as a CRL."""

    enabled: bool = False
    """Answer, by a Service that a TLSPolicy's `spec.revocation.url` then names."""
    port: UnprivilegedPort = 8085
    """The pod's port."""
    service_port: Port = 80
    """The Service's port."""


class Probe(Values):
    """How often is asked, and when it counts."""

    period_seconds: Annotated[int, Field(ge=1)]
    """Seconds from one question to the next."""
    timeout_seconds: Annotated[int, Field(ge=1)] = 3
    """Seconds an answer may take."""
    failure_threshold: Annotated[int, Field(ge=1)]
    """Failures in a row that count."""


class Probes(Values):
    """What the kubelet asks the operator."""

    port: UnprivilegedPort = 8080
    """At which port."""
    startup: Probe = Probe(period_seconds=2, failure_threshold=60)
    """Until it has started, liveness is not asked."""
    liveness: Probe = Probe(period_seconds=10, failure_threshold=6)
    """Whether its process still turns; else it is started anew."""
    readiness: Probe = Probe(period_seconds=5, failure_threshold=2)
    """Whether it can do its work, or take it over."""


class User(Values):
    """As whom the container runs."""

    run_as_user: Annotated[int, Field(ge=1)] | None = 65532
    """User id; `null` where the cluster chooses one itself, as OpenShift does."""
    run_as_group: Annotated[int, Field(ge=1)] | None = 65532
    """Group id; `null` likewise."""


class Resources(Values):
    """What the container is given."""

    requests: dict[str, Quantity] = {"cpu": "100m", "memory": "128Mi", "ephemeral-storage": "16Mi"}
    """What the scheduler reserves."""
    limits: dict[str, Quantity] = {"memory": "512Mi", "ephemeral-storage": "64Mi"}
    """What it may not pass; no CPU, as signing comes in bursts."""


class Disruption(Values):
    """How many replicas may be away at once when nodes are drained."""

    enabled: bool = True
    """Create a PodDisruptionBudget, where there are two replicas or more."""
    max_unavailable: Annotated[int, Field(ge=0)] = 1
    """So many."""


class Spread(Values):
    """How replicas are spread."""

    keys: Annotated[list[str], Unique] = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    """Labels of nodes over whose values replicas are spread."""
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = "ScheduleAnyway"
    """What happens where they cannot be."""


class ApiServer(Values):
    """Egress to the API server."""

    cidrs: Annotated[list[Cidr], Unique] = []
    """Its addresses, as `kubectl get endpointslices kubernetes` shows them; empty: any."""
    ports: Ports = [443, 6443]
    """Its ports: the Service's, and the server's own."""


class Dns(Values):
    """Egress to DNS."""

    to: list[KubernetesObject] = [
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ]
    """Peers, in a NetworkPolicy's words; empty: anybody."""
    ports: Ports = [53]
    """Ports, over UDP and TCP."""


class Nats(Values):
    """Egress to NATS."""

    to: list[KubernetesObject] = []
    """Peers, in a NetworkPolicy's words; empty: anybody."""
    ports: Ports = [4222]
    """The ports in the `spec.nats.servers` of your Hubs."""


class Ingress(Values):
    """Who may connect."""

    metrics: list[KubernetesObject] = [{"namespaceSelector": {}}]
    """To the metrics: peers, in a NetworkPolicy's words; empty: nobody."""
    revocation: list[KubernetesObject] = [{"namespaceSelector": {}}]
    """To the revocation endpoint: peers likewise; your nats-servers, and whoever checks certificates."""


class NetworkPolicy(Values):
    """What the operator's own pods may be reached by, and may reach."""

    enabled: bool = True
    """Create a NetworkPolicy; nothing else than what follows passes."""
    api_server: ApiServer = ApiServer()
    """Egress to the API server."""
    dns: Dns = Dns()
    """Egress to DNS."""
    nats: Nats = Nats()
    """Egress to NATS."""
    ingress: Ingress = Ingress()
    """Who may connect; the kubelet's probes pass anyway."""
    extra_egress: list[KubernetesObject] = []
    """More rules, in a NetworkPolicy's words."""


class ChartValues(Values):
    """All values of the chart."""

    name_override: Annotated[str, Field(pattern=f"^({_LABEL})?$", max_length=40)] = ""
    """Instead of the chart's name, in names and labels."""
    fullname_override: Annotated[str, Field(pattern=f"^({_LABEL})?$", max_length=40)] = ""
    """Instead of release and chart name, in names."""
    common_labels: Labels = {}
    """Labels of every object."""
    image: Image = Image()
    """The operator's image."""
    replicas: Annotated[int, Field(ge=0, le=10)] = 2
    """How many pods; one works, the others take its place. 0 stops the operator."""
    watch_namespaces: Annotated[list[Name], Unique] = []
    """The only namespaces whose objects it looks after, by Roles there and no ClusterRole; empty: all namespaces."""
    crds: Crds = Crds()
    """The CustomResourceDefinitions."""
    finalizer_policy: Literal["auto", "always", "never"] = "auto"
    """The MutatingAdmissionPolicy that saves a write per object; `auto`: where the cluster has v1 of that kind."""
    admission_policies: Literal["auto", "always", "never"] = "auto"
    """The ValidatingAdmissionPolicies that refuse and warn; `auto`: where the cluster has v1 of that kind."""
    rbac: Rbac = Rbac()
    """Rights."""
    service_account: ServiceAccount = ServiceAccount()
    """Who the operator is at the API server."""
    leader_election: LeaderElection = LeaderElection()
    """Which replica works."""
    settings: Settings = Settings()
    """How the operator works; see docs/operator.md."""
    extra_env: list[KubernetesObject] = []
    """More environment variables of its container, in a pod's words."""
    metrics: Metrics = Metrics()
    """What Prometheus scrapes."""
    revocation: Revocation = Revocation()
    """Where is told which certificates are revoked."""
    probes: Probes = Probes()
    """What the kubelet asks the operator."""
    user: User = User()
    """As whom the container runs. All else of its security is fixed: `restricted`, and a read-only root."""
    resources: Resources = Resources()
    """What its container is given."""
    network_policy: NetworkPolicy = NetworkPolicy()
    """What its pods may reach, and be reached by."""
    pod_disruption_budget: Disruption = Disruption()
    """How many replicas may be away when nodes are drained."""
    topology_spread: Spread = Spread()
    """How replicas are spread."""
    priority_class_name: str = ""
    """Its pods' priority; revocations wait for it where the cluster is full."""
    termination_grace_period_seconds: Annotated[int, Field(ge=1)] = 30
    """Seconds it is given to finish."""
    node_selector: Labels = {"kubernetes.io/os": "linux"}
    """Nodes it may run on."""
    tolerations: list[KubernetesObject] = []
    """Taints it bears."""
    affinity: KubernetesObject = {}
    """More about where it runs."""
    pod_labels: Labels = {}
    """Labels of its pods."""
    pod_annotations: Labels = {}
    """Annotations of its pods."""
    extra_objects: list[KubernetesObject | str] = []
    """Further objects, or templates of them as text, that are part of the release."""
    global_: Annotated[KubernetesObject, Field(alias="global")] = {}
    """What a chart that has this one as a part tells all its parts; nothing here reads it."""
