"""What the chart renders for which values."""

import re

import pytest
import yaml
from chart.helm import CHART, Helm, HelmRefusedError, Object, Rendered, Values

from iotsec.api.crd import KINDS, crd
from iotsec.install.admission.policy import OPERATOR
from iotsec.install.rules import LEADER_EVENTS, LEASE, NAMESPACED, cluster_rules
from iotsec.settings import from_environment

DIGEST = "sha256:" + "0123456789abcdef" * 4
POLICIES = {"finalizerPolicy": "MutatingAdmissionPolicy", "admissionPolicies": "ValidatingAdmissionPolicy"}
"""The kind of the policies that a value is about."""
MANIFESTS = CHART.parents[1] / "manifests"


def rules(things: list[Object]) -> list[Object]:
    return [rule for thing in things for rule in thing["rules"]]


def network(rendered: Rendered) -> Object:
    spec: Object = rendered.one("NetworkPolicy")["spec"]
    return spec


def test_helm_finds_nothing_to_complain_of(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm.run("lint", str(CHART), "--strict", "--set", "image.repository=any")


def test_by_default_it_installs_all_that_two_replicas_need(helm: Helm) -> None:
    rendered = helm.render()

    assert {kind for kind, _ in rendered.names} == {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    }
    assert rendered.one("Deployment")["spec"]["replicas"] == 2
    assert rendered.environment["IOTSEC_LEASE"] == "iotsec/iot-security-operator"
    assert rendered.environment["IOTSEC_LEASE_SECONDS"] == "15"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.plural)
def test_a_definition_is_the_same_as_in_the_repository(helm: Helm, kind: object) -> None:
    (expected,) = [crd(one) for one in KINDS if one is kind]
    found = {one["metadata"]["name"]: one for one in helm.render().of("CustomResourceDefinition")}

    definition = found[expected["metadata"]["name"]]

    assert definition["spec"] == expected["spec"]
    assert expected["metadata"]["annotations"].items() <= definition["metadata"]["annotations"].items()


@pytest.mark.parametrize(
    ("values", "count", "kept"), [({}, 5, True), ({"keep": False}, 5, False), ({"enabled": False}, 0, True)]
)
def test_definitions_stay_when_the_release_goes_unless_said_otherwise(
    helm: Helm, values: Values, count: int, *, kept: bool
) -> None:
    definitions = helm.render({"crds": values}).of("CustomResourceDefinition")

    notes = [one["metadata"]["annotations"] for one in definitions]
    assert len(notes) == count
    assert all(("helm.sh/resource-policy" in one) is kept for one in notes)


def test_for_all_namespaces_there_is_one_cluster_role_with_the_rules(helm: Helm) -> None:
    rendered = helm.render()
    found = [one for one in rendered.of("ClusterRole") if one["metadata"]["name"] == "iot-security-operator"]

    assert rules(found) == [rule.to_object() for rule in cluster_rules()]
    assert rules(rendered.of("Role")) == [rule.to_object() for rule in LEASE]
    assert "IOTSEC_NAMESPACES" not in rendered.environment


def test_for_some_namespaces_there_are_roles_and_nothing_in_the_whole_cluster(helm: Helm) -> None:
    rendered = helm.render({"watchNamespaces": ["plant-a", "plant-b"], "rbac": {"userRoles": False}})
    roles = {one["metadata"]["namespace"]: one["rules"] for one in rendered.of("Role")}

    assert not rendered.of("ClusterRole")
    assert not rendered.of("ClusterRoleBinding")
    assert roles["plant-a"] == roles["plant-b"] == [rule.to_object() for rule in NAMESPACED]
    assert roles["iotsec"] == [rule.to_object() for rule in (*LEASE, LEADER_EVENTS)]
    assert rendered.environment["IOTSEC_NAMESPACES"] == "plant-a,plant-b"


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["plant-a", "plant-b"]}], ids=["all", "some"])
def test_all_rights_are_bound_to_the_pods_account(helm: Helm, values: Values) -> None:
    rendered = helm.render(values | {"serviceAccount": {"name": "worker"}})
    bound = {
        (one["metadata"].get("namespace"), one["roleRef"]["kind"], one["roleRef"]["name"]): one["subjects"]
        for one in [*rendered.of("RoleBinding"), *rendered.of("ClusterRoleBinding")]
    }
    roles = {
        (one["metadata"].get("namespace"), one["kind"], one["metadata"]["name"])
        for one in [*rendered.of("Role"), *rendered.of("ClusterRole")]
        if not one["metadata"]["name"].startswith("iotsec-")
    }

    assert bound.keys() == roles
    assert all(one == [{"kind": "ServiceAccount", "name": "worker", "namespace": "iotsec"}] for one in bound.values())
    assert rendered.pod["serviceAccountName"] == rendered.one("ServiceAccount")["metadata"]["name"] == "worker"


@pytest.mark.parametrize(
    ("release", "values"),
    [
        ("iot-security-operator", {}),
        ("fleet", {}),
        ("fleet", {"nameOverride": "guard"}),
        ("fleet", {"fullnameOverride": "guard"}),
        ("fleet", {"watchNamespaces": ["plant-a"]}),
        ("a-name-as-long-as-helm-lets-a-release-have-one", {}),
    ],
)
def test_the_right_to_a_lease_is_to_the_one_that_the_pods_take(helm: Helm, release: str, values: Values) -> None:
    rendered = helm.render(values, name=release, namespace="elsewhere")
    allowed = {
        (role["metadata"]["namespace"], name)
        for role in rendered.of("Role")
        for rule in role["rules"]
        if rule["resources"] == ["leases"]
        for name in rule.get("resourceNames", ())
    }

    assert allowed == {tuple(rendered.environment["IOTSEC_LEASE"].split("/"))}


def test_rights_can_be_left_to_others(helm: Helm) -> None:
    kinds = {kind for kind, _ in helm.render({"rbac": {"create": False, "userRoles": False}}).names}

    assert not kinds & {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


def test_an_image_goes_by_its_digest_where_there_is_one(helm: Helm) -> None:
    image = {"repository": "here/iotsec", "tag": "1.2.3"}

    assert helm.render({"image": image}).container["image"] == "here/iotsec:1.2.3"
    assert helm.render({"image": image | {"digest": DIGEST}}).container["image"] == f"here/iotsec@{DIGEST}"


def test_one_replica_without_election_never_meets_the_next(helm: Helm) -> None:
    rendered = helm.render({"replicas": 1, "leaderElection": {"enabled": False}})

    assert rendered.one("Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    assert "IOTSEC_LEASE" not in rendered.environment
    assert not rendered.of("Role")


@pytest.mark.parametrize(("replicas", "there"), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_a_budget_for_disruption_is_there_where_it_leaves_one(helm: Helm, replicas: int, there: int) -> None:
    assert len(helm.render({"replicas": replicas}).of("PodDisruptionBudget")) == there


def test_the_operator_understands_every_variable_it_is_given(helm: Helm) -> None:
    rendered = helm.render(
        {
            "replicas": 1,
            "revocation": {"enabled": True},
            "settings": {"listenAddress": "[::]", "writesPerSecond": 12.5, "logLevel": "DEBUG", "workers": 3},
        }
    )
    pod = {"POD_NAME": "pod-0", "POD_NAMESPACE": "iot", "POD_IP": "10.1.2.3"}
    assert {one["name"] for one in rendered.container["env"] if "valueFrom" in one} == pod.keys()
    settings = from_environment(rendered.environment | pod)

    assert (settings.log_level, settings.workers, settings.writes_per_second) == ("DEBUG", 3, 12.5)
    assert settings.liveness == "http://[::]:8080/healthz"
    assert settings.metrics is not None
    assert (settings.metrics.host, settings.metrics.port) == ("::", 9090)
    assert settings.revocation is not None
    assert settings.revocation.port == 8085


def test_every_port_that_is_named_is_one_that_the_container_has(helm: Helm) -> None:
    rendered = helm.render({"replicas": 1, "revocation": {"enabled": True}})
    ports = {one["name"]: one["containerPort"] for one in rendered.container["ports"]}

    used = {port["targetPort"] for service in rendered.of("Service") for port in service["spec"]["ports"]}
    used |= {rendered.container[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")}
    let_in = {port["port"] for rule in network(rendered)["ingress"] for port in rule["ports"]}

    assert let_in == {"metrics", "revocation"}
    assert used == ports.keys() == {"probes", "metrics", "revocation"}
    assert len(set(ports.values())) == 3


def test_selectors_meet_the_pods_whatever_labels_are_added(helm: Helm) -> None:
    added = {"team": "iot", "app.kubernetes.io/name": "another"}
    rendered = helm.render(
        {"commonLabels": added, "podLabels": added, "metrics": {"serviceMonitor": {"enabled": True}}}
    )
    labels = rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        rendered.one("Deployment")["spec"]["selector"]["matchLabels"],
        rendered.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        network(rendered)["podSelector"]["matchLabels"],
        rendered.one("Service")["spec"]["selector"],
        *(one["labelSelector"]["matchLabels"] for one in rendered.pod["topologySpreadConstraints"]),
    ]

    assert all(selector.items() <= labels.items() for selector in selectors)
    assert all(one["metadata"]["labels"]["team"] == "iot" for one in rendered.objects)


def test_prometheus_scrapes_the_service_for_metrics_and_no_other(helm: Helm) -> None:
    metrics = {"serviceMonitor": {"enabled": True}}
    rendered = helm.render({"replicas": 1, "revocation": {"enabled": True}, "metrics": metrics})
    selector = rendered.one("ServiceMonitor")["spec"]["selector"]["matchLabels"]

    services = {one["metadata"]["name"]: one["metadata"]["labels"] for one in rendered.of("Service")}
    assert len(services) == 2
    assert [name for name, labels in services.items() if selector.items() <= labels.items()] == [
        "iot-security-operator-metrics"
    ]


def test_its_pods_reach_the_api_server_dns_and_nats_and_nothing_else(helm: Helm) -> None:
    policy = {"apiServer": {"cidrs": ["10.0.0.1/32"], "ports": [6443]}, "nats": {"ports": [4223]}}
    spec = network(helm.render({"networkPolicy": policy}))

    assert spec["policyTypes"] == ["Ingress", "Egress"]
    api_server, dns, nats = spec["egress"]
    assert api_server == {
        "ports": [{"protocol": "TCP", "port": 6443}],
        "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
    }
    assert {(port["protocol"], port["port"]) for port in dns["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert dns["to"][0]["podSelector"] == {"matchLabels": {"k8s-app": "kube-dns"}}
    assert nats == {"ports": [{"protocol": "TCP", "port": 4223}]}


def test_nobody_reaches_what_is_off_or_meant_for_nobody(helm: Helm) -> None:
    assert network(helm.render({"metrics": {"enabled": False}}))["ingress"] == []
    assert network(helm.render({"networkPolicy": {"ingress": {"metrics": []}}}))["ingress"] == []


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_prometheus_is_told_where_asked_for(helm: Helm, kind: str) -> None:
    name = kind[0].lower() + kind[1:]
    rendered = helm.render({"metrics": {name: {"enabled": True, "labels": {"release": "prometheus"}}}})

    assert rendered.one(kind)["metadata"]["labels"]["release"] == "prometheus"
    assert not {"ServiceMonitor", "PodMonitor"} & {found for found, _ in rendered.names} - {kind}


@pytest.mark.parametrize("setting", POLICIES)
@pytest.mark.parametrize(
    ("value", "known", "there"),
    [("auto", False, False), ("auto", True, True), ("always", False, True), ("never", True, False)],
)
def test_policies_are_there_where_the_cluster_knows_their_kind(
    helm: Helm, setting: str, value: str, *, known: bool, there: bool
) -> None:
    kind = POLICIES[setting]
    arguments = ("--api-versions", f"admissionregistration.k8s.io/v1/{kind}") if known else ()

    rendered = helm.render({setting: value}, *arguments)

    assert bool(rendered.of(kind)) == bool(rendered.of(f"{kind}Binding")) == there


@pytest.mark.parametrize("setting", POLICIES)
def test_policies_look_at_nothing_that_nobody_looks_after(helm: Helm, setting: str) -> None:
    """What has a finalizer there, for instance, could not be deleted any more."""
    rendered = helm.render({setting: "always", "watchNamespaces": ["plant-a"]})
    found = rendered.of(POLICIES[setting])

    chosen = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["plant-a"]}
    selectors = [policy["spec"]["matchConstraints"]["namespaceSelector"] for policy in found]
    assert selectors == [{"matchExpressions": [chosen]}] * len(found)
    bound = [binding["spec"]["policyName"] for binding in rendered.of(f"{POLICIES[setting]}Binding")]
    assert bound == [policy["metadata"]["name"] for policy in found]


def test_releases_for_some_namespaces_have_policies_of_their_own(helm: Helm) -> None:
    def names(namespace: str) -> set[str]:
        rendered = helm.render({"admissionPolicies": "always", "watchNamespaces": ["plant-a"]}, namespace=namespace)
        return {policy["metadata"]["name"] for policy in rendered.of("ValidatingAdmissionPolicy")}

    assert names("one")
    assert not names("one") & names("other")


@pytest.mark.parametrize(
    ("values", "account"),
    [({}, "edge:iot-security-operator"), ({"serviceAccount": {"create": False, "name": "mine"}}, "edge:mine")],
    ids=["its own", "another"],
)
def test_the_policies_are_those_of_the_manifests_with_the_name_of_the_operator(
    helm: Helm, values: Values, account: str
) -> None:
    rendered = helm.render({"admissionPolicies": "always", **values}, namespace="edge")

    text = (MANIFESTS / "admission.yaml").read_text()
    ours = text.replace(OPERATOR, f"system:serviceaccount:{account}")
    assert account not in text
    expected = [(thing["metadata"]["name"], thing["spec"]) for thing in yaml.safe_load_all(ours)]
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    found = [(thing["metadata"]["name"], thing["spec"]) for thing in rendered.objects if thing["kind"] in kinds]
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_an_id_can_be_left_to_the_cluster(helm: Helm) -> None:
    context = helm.render({"user": {"runAsUser": None, "runAsGroup": None}}).pod["securityContext"]

    assert context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_further_objects_are_part_of_the_release(helm: Helm) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-b'}"
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a {{ .Release.Name }}"}}
    rendered = helm.render({"extraObjects": [plain, text]})

    names = [one["metadata"]["name"] for one in rendered.of("ConfigMap")]
    assert names == ["a {{ .Release.Name }}", "iot-security-operator-b"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"image": {"repository": ""}}, "image.repository is empty: name the image"),
        ({"leaderElection": {"enabled": False}}, "replicas is 2 and leaderElection.enabled is false"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name is empty: name the ServiceAccount"),
        (
            {"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
            "would be scraped twice",
        ),
        ({"metrics": {"enabled": False, "podMonitor": {"enabled": True}}}, "nothing to scrape"),
        ({"metrics": {"port": 8080}}, "write different ones"),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_what_to_write(
    helm: Helm, values: Values, sentence: str
) -> None:
    with pytest.raises(HelmRefusedError, match=re.escape(sentence)):
        helm.render(values)


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({"replica": 2}, "replica"),
        ({"replicas": "two"}, "/replicas"),
        ({"replicas": -1}, "/replicas"),
        ({"replicas": 2.5}, "/replicas"),
        ({"image": {"name": "x"}}, "/image"),
        ({"image": {"digest": "sha256:abc"}}, "/image/digest"),
        ({"image": {"tag": "a b"}}, "/image/tag"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"watchNamespaces": "plant"}, "/watchNamespaces"),
        ({"watchNamespaces": ["Plant_A"]}, "/watchNamespaces/0"),
        ({"watchNamespaces": ["a", "a"]}, "/watchNamespaces"),
        ({"watchNamespaces": ["*"]}, "/watchNamespaces/0"),
        ({"crds": {"keeep": True}}, "/crds"),
        ({"crds": {"keep": "yes"}}, "/crds/keep"),
        ({"rbac": {"enabled": True}}, "/rbac"),
        ({"serviceAccount": {"name": "A"}}, "/serviceAccount/name"),
        ({"settings": {"logLevel": "info"}}, "/settings/logLevel"),
        ({"settings": {"workers": 0}}, "/settings/workers"),
        ({"settings": {"writesPerSecond": 1}}, "/settings/writesPerSecond"),
        ({"settings": {"listenAddress": "localhost"}}, "/settings/listenAddress"),
        ({"metrics": {"port": 80}}, "/metrics/port"),
        ({"metrics": {"serviceMonitor": {"interval": "often"}}}, "/metrics/serviceMonitor/interval"),
        ({"metrics": {"podMonitor": {"interval": "30s1m"}}}, "/metrics/podMonitor/interval"),
        ({"metrics": {"podMonitor": {"interval": ""}}}, "/metrics/podMonitor/interval"),
        ({"revocation": {"servicePort": 70000}}, "/revocation/servicePort"),
        ({"probes": {"liveness": {"path": "/"}}}, "/probes/liveness"),
        ({"probes": {"readiness": {"periodSeconds": 0}}}, "/probes/readiness/periodSeconds"),
        ({"user": {"runAsUser": 0}}, "/user/runAsUser"),
        ({"user": {"privileged": True}}, "/user"),
        ({"securityContext": {"privileged": True}}, "securityContext"),
        ({"resources": {"limit": {}}}, "/resources"),
        ({"resources": {"limits": {"memory": "much"}}}, "/resources/limits/memory"),
        ({"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "/networkPolicy/apiServer/cidrs/0"),
        ({"networkPolicy": {"nats": {"ports": [0]}}}, "/networkPolicy/nats/ports/0"),
        # No ports at all would be every port, of everybody.
        ({"networkPolicy": {"apiServer": {"ports": []}}}, "/networkPolicy/apiServer/ports"),
        ({"networkPolicy": {"dns": {"ports": []}}}, "/networkPolicy/dns/ports"),
        ({"networkPolicy": {"nats": {"ports": []}}}, "/networkPolicy/nats/ports"),
        ({"finalizerPolicy": "sometimes"}, "/finalizerPolicy"),
        ({"admissionPolicies": True}, "/admissionPolicies"),
        ({"topologySpread": {"whenUnsatisfiable": "Panic"}}, "/topologySpread/whenUnsatisfiable"),
        ({"commonLabels": {"a": 1}}, "/commonLabels/a"),
        ({"terminationGracePeriodSeconds": 0}, "/terminationGracePeriodSeconds"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_values_that_are_misspelt_or_out_of_range_are_refused(helm: Helm, values: Values, path: str) -> None:
    with pytest.raises(HelmRefusedError, match="don't meet the specifications of the schema") as refused:
        helm.render(values)

    assert path in str(refused.value)


def test_the_chart_tells_nothing_that_is_not_so() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    listed = yaml.safe_load(chart["annotations"]["artifacthub.io/crds"])

    assert {one["name"] for one in listed} == {kind.crd_name for kind in KINDS}
    assert all(one["description"] for one in listed)
