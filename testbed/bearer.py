"""What somebody does with a user JWT that is not his: put it to use without its key."""

import os

import nkeys

_CREDS = """\
-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


def creds_without_its_seed(jwt: str) -> str:
    """Return a creds file of a user JWT and a seed of nobody's: worth something where the JWT is a bearer token."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    return _CREDS.format(jwt=jwt, seed=seed.decode())
