"""A trust root that somebody made by hand before there was an operator, and a server that lives by it."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from testbed.binaries import find
from testbed.clients import Connected, connect_as

_GO_MODULE = Path(__file__).parents[1] / "tests" / "go"
_SECONDS = 5


class PushRefusedError(RuntimeError):
    """A server did not take an account; the message is what it says about it."""


@dataclass(frozen=True, slots=True)
class ExistingUser:
    """A user whose creds file is out there."""

    name: str
    public_key: str
    seed: str = field(repr=False)
    jwt: str = field(repr=False)
    creds: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExistingTrust:
    """What the owner of a strict operator has: its signing key, its system creds, the account `mir` and its users.

    All of it was made by the Go library of NATS (`tests/go/trust`), none of it by code of this project.
    """

    operator_jwt: str = field(repr=False)
    operator_signing_seed: str = field(repr=False)
    system_account: str
    system_account_jwt: str = field(repr=False)
    system_creds: str = field(repr=False)
    account: str
    """Public key of `mir`: JetStream and other limits, an export, one plain signing key, one revocation."""

    account_jwt: str = field(repr=False)
    lasting_user: ExistingUser
    """Its JWT never expires; like every user here, it may do what a device of its name does."""

    expiring_user: ExistingUser
    """Its JWT expires in a month."""

    revoked_user: ExistingUser
    """`mir` has revoked it."""

    @classmethod
    def create(cls) -> Self:
        """Return a trust root with keys of its own; the Go toolchain compiles the program at the first call."""
        answer = subprocess.run([find("go"), "run", "./trust"], cwd=_GO_MODULE, stdout=subprocess.PIPE, check=True)
        made: dict[str, Any] = json.loads(answer.stdout)
        users = {name: ExistingUser(**value) for name, value in made.items() if name.endswith("_user")}
        return cls(**(made | users))

    @property
    def nats_config(self) -> dict[str, bytes]:
        """The files to mount into servers of this trust root: whom they trust, and no account but the system's."""
        lines = (
            f"operator: {self.operator_jwt}",
            f"system_account: {self.system_account}",
            f"resolver_preload {{ {self.system_account}: {self.system_account_jwt} }}",
        )
        return {"server.conf": "\n".join(lines).encode()}

    async def push_account(self, url: str, *, servers: int = 1) -> None:
        """Tell the account `mir` to all servers that `url` has routes to, and return when so many have taken it.

        Raises `PushRefusedError` when one refuses, `nats.errors.TimeoutError` when fewer than `servers` answer.
        """
        async with connect_as(url, self.system_creds) as system:
            for answer in await _ask(system, "$SYS.REQ.CLAIMS.UPDATE", self.account_jwt.encode(), answers=servers):
                if answer.get("error"):
                    raise PushRefusedError(answer["error"]["description"])


async def _ask(system: Connected, subject: str, payload: bytes, *, answers: int) -> list[dict[str, Any]]:
    """Ask all servers, and wait for so many answers: `Client.request` takes the first alone."""
    inbox = system.client.new_inbox()
    replies = await system.client.subscribe(inbox)
    await system.client.publish(subject, payload, reply=inbox)
    return [json.loads((await replies.next_msg(timeout=_SECONDS)).data) for _ in range(answers)]
