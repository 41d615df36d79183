"""Page cursors, sealed, so that nobody builds one and its form stays ours."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from node.api.problems import ProblemError

SEAL_BYTES: Final = 16
PATTERN: Final = "^[A-Za-z0-9_-]{22,4096}$"


@dataclass(frozen=True, slots=True)
class Cursors:
    """`key` is new with each start: a cursor outlives no restart, and need not."""

    key: bytes

    def seal(self, list: str, last: str | None) -> str | None:
        """What a client sends back for the page after `last` of `list`."""
        if last is None:
            return None
        raw = last.encode()
        sealed = self._seal(list, raw) + raw
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, list: str, cursor: str | None) -> str | None:
        """Raises `ProblemError` 404, not 400: of the right form, there is just no such page."""
        if cursor is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raw = b""
        seal, last = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
        if not hmac.compare_digest(self._seal(list, last), seal):
            detail = "use `next` of the page before, as it is, with the same query"
            raise ProblemError(404, "cursor-unknown", detail)
        return last.decode()

    def _seal(self, list: str, raw: bytes) -> bytes:
        said = list.encode() + b"\0" + raw
        return hashlib.blake2b(said, key=self.key, digest_size=SEAL_BYTES).digest()
