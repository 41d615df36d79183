"""What is held and waits for something that is not here, by the peer that brought it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from crdt.held import Reason
from node.api.peer_states import Waits
from node.refusals import who
from storage.store import Counts, Store

WHY: Mapping[str, str] = {
    Reason.UNKNOWN_AUTHORITY: (
        "they cite a statement on who may do what, and that statement is not here"
    ),
    Reason.MISSING_DEPENDENCY: "they build on changes that are not here",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """By all that is held."""

    of_all: tuple[Waits, ...] = ()
    of_device: Mapping[str, tuple[Waits, ...]] = field(default_factory=dict[str, tuple[Waits, ...]])
    """By the did:key of the device; not of what this node wrote or read from a file."""


class WaitingBook:
    """Keeps the newest: the status is asked again and again, and nearly always nothing came."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._newest: tuple[object, Waiting] | None = None

    async def at(self, counts: Counts) -> Waiting:
        """Never older than `counts`."""
        version = (counts.left_out, counts.entries, counts.changed, counts.standing)
        if self._newest is None or self._newest[0] != version:
            self._newest = (version, await self._read() if counts.left_out else Waiting())
        return self._newest[1]

    async def _read(self) -> Waiting:
        rows = await self._store.waiting()
        all_of = Counter[str]()
        of_source: dict[str, Counter[str]] = {}
        for source, code, count in rows:
            all_of[code] += count
            of_source.setdefault(who(source), Counter())[code] += count
        return Waiting(_shown(all_of), {one: _shown(codes) for one, codes in of_source.items()})


def _shown(codes: Counter[str]) -> tuple[Waits, ...]:
    """The most frequent first."""
    return tuple(Waits(code, count, WHY[code]) for code, count in codes.most_common())
