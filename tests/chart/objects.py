"""The objects that the official Helm chart of nats-server makes of values, beside `nats.conf`: as `rendering`, in words
of our own, and as far as our documentation uses it. Of the reloader, a container of an image of its own, nothing is
known here: the operator asks servers to reload themselves.
"""

from typing import Any

from chart.rendering import CONFIG_FOLDER, Json, config_of, mounts_of, nats_conf

NAME = "nats"
_LABELS = {
    "app.kubernetes.io/name": "nats",
    "app.kubernetes.io/instance": "nats",
    "app.kubernetes.io/component": "nats",
}
_MONITOR = 8222
_PID = "/var/run/nats"


def objects_of(values: Json, namespace: str) -> list[Json]:
    """ConfigMap, Services and StatefulSet of a release named `nats`."""
    return [
        _object("v1", "ConfigMap", "nats-config", namespace, data={"nats.conf": nats_conf(values)}),
        _object("v1", "Service", NAME, namespace, spec={"selector": _LABELS, "ports": _ports(values)[:1]}),
        _object(
            "v1",
            "Service",
            f"{NAME}-headless",
            namespace,
            spec={
                "selector": _LABELS,
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "ports": _ports(values),
            },
        ),
        _object("apps/v1", "StatefulSet", NAME, namespace, spec=_stateful_set(values)),
    ]


def _object(version: str, kind: str, name: str, namespace: str, **body: Any) -> Json:
    metadata = {"name": name, "namespace": namespace, "labels": _LABELS}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}


def _ports(values: Json) -> list[Json]:
    config = config_of(values)
    ports = {"nats": config["port"], "cluster": config["cluster"]["port"], "monitor": config["http_port"]}
    return [{"name": name, "port": port, "targetPort": name, "appProtocol": "tcp"} for name, port in ports.items()]


def _stateful_set(values: Json) -> Json:
    resolver = values["config"]["resolver"]
    secrets = mounts_of(values)
    volumes = [
        {"name": "config", "configMap": {"name": "nats-config"}},
        {"name": "pid", "emptyDir": {}},
        *({"name": secret, "secret": {"secretName": secret}} for secret in secrets.values()),
    ]
    claim = {
        "metadata": {"name": "nats-resolver"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": resolver["pvc"]["size"]}},
        },
    }
    return {
        "serviceName": f"{NAME}-headless",
        "replicas": values["config"]["cluster"]["replicas"],
        "podManagementPolicy": "Parallel",
        "selector": {"matchLabels": _LABELS},
        "template": {
            "metadata": {"labels": _LABELS},
            "spec": {
                "containers": [_container(values)],
                "volumes": volumes,
                "terminationGracePeriodSeconds": 60,
                "enableServiceLinks": False,
            },
        },
        "volumeClaimTemplates": [claim],
    }


def _container(values: Json) -> Json:
    mounts = {str(CONFIG_FOLDER): "config", _PID: "pid", values["config"]["resolver"]["dir"]: "nats-resolver"}
    mounts |= {str(path): secret for path, secret in mounts_of(values).items()}
    return {
        "name": "nats",
        "image": values["container"]["image"]["fullImageName"],
        "imagePullPolicy": "Never",
        "args": ["--config", f"{CONFIG_FOLDER}/nats.conf"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "SERVER_NAME", "value": "$(POD_NAME)"},
        ],
        "ports": [{"name": port["name"], "containerPort": port["port"]} for port in _ports(values)],
        "volumeMounts": [{"name": name, "mountPath": path} for path, name in mounts.items()],
        "lifecycle": {"preStop": {"exec": {"command": ["nats-server", f"-sl=ldm={_PID}/nats.pid"]}}},
        "startupProbe": _probe("/healthz", failureThreshold=90),
        "readinessProbe": _probe("/healthz?js-server-only=true", failureThreshold=3),
        "livenessProbe": _probe("/healthz?js-enabled-only=true", failureThreshold=3) | {"periodSeconds": 30},
    }


def _probe(path: str, **settings: int) -> Json:
    return {
        "httpGet": {"path": path, "port": "monitor"},
        "initialDelaySeconds": 1,
        "timeoutSeconds": 5,
        "periodSeconds": 1,
        **settings,
    }
