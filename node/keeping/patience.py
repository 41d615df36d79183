"""What was tried in vain is tried again later, after twice as long each time.

    a blob      after 10 s, 20 s, … an hour
    an author   after a quarter of a second, half of one, … a minute, until one of theirs came

So whoever names a hundred thousand blobs that nobody has is asked about once a minute, and delays
nobody. What comes slowly is put off for as long as the last time. Memory is bounded: what was put
off first is forgotten, and tried again when its turn comes.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from crdt.blob import BlobId

BLOB_FIRST_S: Final = 10.0
BLOB_LONGEST_S: Final = 3_600.0
AUTHOR_FIRST_S: Final = 0.25
AUTHOR_LONGEST_S: Final = 60.0
HELD_MAX: Final = 10_000  # of blobs and of authors: a few MB

K = TypeVar("K")


@dataclass(slots=True)
class _Rest:
    until_s: float
    wait_s: float
    tries: int
    why: str = ""


@dataclass(slots=True)
class _Rests(Generic[K]):
    first_s: float
    longest_s: float
    held: dict[K, _Rest] = field(default_factory=dict[K, _Rest])

    def put_off(self, key: K, why: str, *, is_coming: bool = False, now_s: float) -> None:
        before = self.held.pop(key, None)
        wait_s = before.wait_s * (1 if is_coming else 2) if before else self.first_s
        wait_s = min(wait_s, self.longest_s)
        tries = before.tries + 1 if before else 1
        self.held[key] = _Rest(now_s + wait_s, wait_s, tries, why)
        if len(self.held) > HELD_MAX:
            del self.held[next(iter(self.held))]

    def until_s(self, key: K) -> float:
        rest = self.held.get(key)
        return rest.until_s if rest else 0.0


@dataclass(slots=True)
class Came:
    """Whether more of a blob came, while it was tried."""

    first: int | None = None
    last: int = 0

    def __call__(self, done: int, total: int) -> None:
        if total:  # else nothing of it is known yet, also not what is here
            self.first, self.last = done if self.first is None else self.first, done

    @property
    def is_more(self) -> bool:
        return self.first is not None and self.last > self.first


class Patience:
    """By the caller's clock, in seconds. `whose`: as `Wanted.whose`, an author in one share."""

    def __init__(self) -> None:
        self._blobs = _Rests[BlobId](BLOB_FIRST_S, BLOB_LONGEST_S)
        self._authors = _Rests[bytes](AUTHOR_FIRST_S, AUTHOR_LONGEST_S)

    @property
    def absent(self) -> Collection[BlobId]:
        """What was tried in vain, and not since."""
        return list(self._blobs.held)

    def why(self, blob: BlobId) -> str:
        """Why it was in vain; empty where it was not tried."""
        rest = self._blobs.held.get(blob)
        return rest.why if rest else ""

    def tries(self, blob: BlobId) -> int:
        """How often it was tried in vain, one after the other."""
        rest = self._blobs.held.get(blob)
        return rest.tries if rest else 0

    def fail(
        self, blob: BlobId, whose: bytes, why: str, *, is_coming: bool = False, now_s: float
    ) -> None:
        """`is_coming`: something came of it; it and its author then rest for as long as before."""
        self._blobs.put_off(blob, why, is_coming=is_coming, now_s=now_s)
        self._authors.put_off(whose, why, is_coming=is_coming, now_s=now_s)

    def put_off(self, blob: BlobId, why: str, *, now_s: float) -> None:
        """As `fail`, where it is not for want of whoever gives it: the author does not rest."""
        self._blobs.put_off(blob, why, is_coming=False, now_s=now_s)

    def succeed(self, blob: BlobId, whose: bytes) -> None:
        self._blobs.held.pop(blob, None)
        self._authors.held.pop(whose, None)

    def is_due(self, blob: BlobId, *, now_s: float) -> bool:
        return self._blobs.until_s(blob) <= now_s

    def rests_until_s(self, whose: bytes) -> float:
        """When something that this author names may be tried again."""
        return self._authors.until_s(whose)

    def hope(self, *, now_s: float) -> None:
        """Somebody came who may have it: all may be tried now, each as often as before."""
        for rests in (self._blobs.held, self._authors.held):
            for rest in rests.values():
                rest.until_s = min(rest.until_s, now_s)

    def next_s(self, *, now_s: float) -> float | None:
        """Until the next of the blobs is due."""
        waits = [rest.until_s - now_s for rest in self._blobs.held.values()]
        return min((wait for wait in waits if wait > 0), default=None)
