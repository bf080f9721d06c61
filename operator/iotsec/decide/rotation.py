"""When credentials are renewed: computed from what was really issued, spread by deterministic jitter."""

import hashlib

_JITTER_SHARE = 10  # up to a tenth of the time between issue and renewal, so that a fleet made in one go spreads out


def renewal_time(*, issued_at: int, expires_at: int, renew_before: int, salt: str) -> int:
    """Return the unix second at which what was issued is renewed; ``renew_before`` in seconds.

    The jitter pulls it earlier, never later; the same credential always gives the same time, across restarts.
    A lifetime too short for ``renew_before`` (issued under other rules) is renewed after two thirds of it.
    """
    latest = expires_at - renew_before
    if latest <= issued_at:
        return issued_at + max(1, (expires_at - issued_at) * 2 // 3)
    digest = hashlib.sha256(f"{salt}/{issued_at}".encode()).digest()
    share = int.from_bytes(digest[:4]) / 2**32
    return latest - int((latest - issued_at) / _JITTER_SHARE * share)
