"""Those who judge certificates of ours: OpenSSL, and zlint."""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from x509.pki import NOW

OPENSSL = shutil.which("openssl") or "openssl"
PURPOSES = {"server": ["sslserver"], "client": ["sslclient"], "peer": ["sslserver", "sslclient"]}


def openssl(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([OPENSSL, *arguments], input=stdin, capture_output=True, check=False)


def verify(directory: Path, certificate: bytes, root: bytes, purpose: str, *options: str | Path) -> str:
    """What OpenSSL, at its strictest, has against a certificate and the chain sent with it; "" for nothing."""
    presented, trusted = directory / "presented.crt", directory / "trusted.crt"
    presented.write_bytes(certificate)
    trusted.write_bytes(root)
    answer = openssl(
        *("verify", "-x509_strict", "-check_ss_sig", "-attime", str(NOW), "-purpose", purpose),
        *("-CAfile", trusted, "-untrusted", presented, *options, presented),
    )
    return "" if answer.returncode == 0 else answer.stderr.decode()


def lint(program: Path, items: Iterable[tuple[str, bytes]]) -> list[list[dict[str, Any]]]:
    """What zlint finds in each ("certificate" or "crl", DER)."""
    lines = "".join(f"{kind} {base64.b64encode(der).decode()}\n" for kind, der in items)
    answer = subprocess.run([program], input=lines, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in answer.stdout.splitlines()]
