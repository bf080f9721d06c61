"""Kubeconfig files: what a client needs to reach the testbed's API server as somebody."""

from pathlib import Path
from typing import Any

import yaml

from testbed.certificates import KeyPairFiles


def write(path: Path, *, url: str, ca: Path, user: KeyPairFiles | str) -> Path:
    """Write a kubeconfig, readable by its owner alone; `user` is a client certificate or a bearer token."""
    who: dict[str, Any]
    if isinstance(user, str):
        who = {"token": user}
    else:
        who = {"client-certificate": str(user.certificate), "client-key": str(user.key)}
    path.touch(mode=0o600)
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "testbed", "cluster": {"server": url, "certificate-authority": str(ca)}}],
                "users": [{"name": "user", "user": who}],
                "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "user"}}],
                "current-context": "testbed",
            }
        )
    )
    return path
