"""What the Module's pod runs: log in with the creds file it was given, tell what it may publish, and stay."""

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import nats


def public_key(creds: str) -> str:
    """Whose creds file it is: the subject of its JWT."""
    body = creds.splitlines()[1].split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sub"])


async def main(server: str, subjects: list[str], creds: str | None) -> None:
    errors: list[str] = []

    async def tell(error: Exception) -> None:
        errors.append(str(error).lower())

    options: dict[str, Any] = {"error_cb": tell, "connect_timeout": 5, "max_reconnect_attempts": 3}
    if creds:
        options["user_credentials"] = creds
    try:
        connection = await nats.connect(server, **options)
    except nats.errors.Error:
        print("login", "refused" if any("authorization" in error for error in errors) else errors)
        return
    print("login accepted")
    for subject in subjects:
        errors.clear()
        await connection.publish(subject, b"x")
        for _ in range(2):  # the first overtakes what is still in the buffer
            await connection.flush()
        print(subject, "refused" if any("permissions violation" in error for error in errors) else "allowed")
    print("told all")
    await asyncio.Event().wait()


mounted = os.environ.get("NATS_CREDS")
if mounted:
    print("key", public_key(Path(mounted).read_text()))
asyncio.run(main(sys.argv[1], sys.argv[2:], mounted))
