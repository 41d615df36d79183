"""How a command ends, by the HTTP status and the code of a problem. Standard library only."""

from collections.abc import Mapping
from typing import Final

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NOT_RUNNING: Final = 3
NOT_ALLOWED: Final = 4
NOT_FOUND: Final = 5
CONFLICT: Final = 6
UNVERIFIED: Final = 7
NETWORK: Final = 8
INTERRUPTED: Final = 130

BY_STATUS: Final[Mapping[int, int]] = {
    401: NOT_ALLOWED,
    403: NOT_ALLOWED,
    404: NOT_FOUND,
    408: NETWORK,
    409: CONFLICT,
    412: CONFLICT,
    421: NOT_ALLOWED,
    502: NETWORK,
    503: NOT_RUNNING,
    504: NETWORK,
}

# A 422 may mean a slip in a manifest, or bytes that are not what was signed.
BY_CODE: Final[Mapping[str, int]] = {
    "bad-address": USAGE,
    "verification-failed": UNVERIFIED,
    "bad-signature": UNVERIFIED,
    "hash-mismatch": UNVERIFIED,
    "code-forged": UNVERIFIED,
    "not-a-drop": UNVERIFIED,
    "drop-cut": UNVERIFIED,
    "drop-damaged": UNVERIFIED,
    "drop-newer": UNVERIFIED,
    "mismatch": UNVERIFIED,
    "snapshot-damaged": UNVERIFIED,
    "blob-damaged": UNVERIFIED,
    "invalid-statement": UNVERIFIED,
    "file-damaged": UNVERIFIED,
    "checksum-mismatch": UNVERIFIED,
}


def exit_code(status: int, code: str) -> int:
    """The exit code of a command that got this problem for an answer."""
    return BY_CODE.get(code, BY_STATUS.get(status, FAILED))
