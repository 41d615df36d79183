"""The gate: what may stay, decided in the transaction that takes entries in.

    arrivals ──bounds of documents, waiting, authors, areas──> the strangers' budget ──> append
                        │ refused, remembered                     │ others' records evicted

While there is room everything is kept. Where there is none the source that brought most strangers'
bytes gives way: if it is who brings this, its arrivals are refused, else its newest records go. So
a flood through one peer evicts its own flood, however many keys it uses. Keys of devices are free
too: a peer whose author nobody here follows takes no room from another that brought no more than
the share each is granted (`Quota.peer_bytes`), and none at all from a peer that is followed.
docs/protocol/quotas.md tells all of it.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from crdt.capability import CapabilityCache
from crdt.change import CheckedEntry, DocumentId, log_of
from crdt.keys import COMMONS, AuthorKey
from crdt.order import ITEM_ID_BYTES
from crdt.path import AUTHORITY
from crdt.statement import RECORDS
from storage.database import Writing
from storage.eviction import evict_newest, having_bearing
from storage.quarantine import Refusal, add_counted
from storage.quota import Quota, strangers_bytes
from storage.usage import (
    AUTHOR_PREFIX_BYTES,
    DOCUMENT_BYTES,
    followed,
    size_of,
    source_number,
)
from storage.waiting import Waiting, document_key, find_waiting

OVER_QUOTA = "over-quota"
"""A limit of this node, so no fault of whoever brought it."""
EVICTED = "evicted"
NO_ROOM = "no room is left for authors whom nobody here follows; naming them gives it"
GAVE_WAY = "what authors whom nobody here follows wrote gave way to others: no room was left"


# Each arrival costs a judgement of all that is held of its document.
DOCUMENT_ENTRIES_MAX = 20_000
AUTHORITY_ENTRIES_MAX = 4_000  # of an authority log, which is judged with every document under it

EVICT_BYTES_MIN = 256 << 10  # at once: room for what comes next, too
EVICT_PARTS = 64  # of a small budget, that is
# Records looked at for one batch, to be evicted: some 0.3 s. What finds no room by then is refused,
# and what is too much goes with the next batches.
LOOKS_MAX = 1_024


@dataclass(frozen=True, slots=True)
class Giver:
    """Who brings entries."""

    key: str
    author: AuthorKey | None
    """For whom it has proved to speak; None where it is no peer."""


class Gate:
    """One batch at the door. `admit` before the append, `enforce` after it."""

    def __init__(
        self, write: Writing, quota: Quota, giver: Giver, capabilities: CapabilityCache
    ) -> None:
        self._write = write
        self._quota = quota
        self._giver = giver
        self._capabilities = capabilities
        self._followed: frozenset[bytes] = frozenset()
        self._bearing: frozenset[bytes] = frozenset()
        self._strangers: dict[bytes, int] = {}  # what each entry of one will take, by its id
        self._source = 0
        self._before_bytes = 0  # of strangers, before the append
        self._looks = LOOKS_MAX
        self._refused: list[tuple[CheckedEntry, str, bytes | None]] = []
        self._evicted: Counter[str] = Counter()

    async def admit(self, fresh: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        """Those that may be kept, in order; others gave way to them."""
        if not fresh:
            return []
        self._followed = await followed(self._write)
        self._source = await source_number(self._write, self._giver.key, self._giver.author)
        self._bearing = await self._judges(fresh)
        self._strangers = {one.id: size_of(one) for one in fresh if self._is_stranger(one)}
        kept = await self._within_documents(fresh)
        kept = await self._without_waiting(kept)
        kept = await self._within_authors(kept)
        kept = await self._within_areas(kept)
        kept = await self._within_budget(kept)
        await self._forget(kept)
        self._before_bytes = await self._strangers_bytes()
        return kept

    async def _judges(self, fresh: Sequence[CheckedEntry]) -> frozenset[bytes]:
        """Whose statements among these judge something that is held, or among these."""
        logs = {one.document.subspace for one in fresh if one.statement is not None}
        through = {key for one in fresh if one.statement is None for key in one.capability.chain}
        return await having_bearing(self._write, list(logs)) | through

    async def enforce(self) -> bool:
        """After the append: what documents take beside their entries counts too.

        As before, heavier sources give way first, then these arrivals as far as they made it too
        much; and where it was before, as when a name was removed, whoever is heaviest. Gives
        whether anything went.
        """
        now = await self._strangers_bytes()
        over = await self._make_room(now - self._quota.strangers_bytes, 0)
        grown = min(over, now - self._before_bytes)
        if grown > 0:
            over -= await self._evict(self._source, grown)
        await self._displace(over, set(), _all, spares_named=False)
        return bool(self._evicted)

    def refuse(self, gone: Iterable[CheckedEntry]) -> None:
        """These were admitted, and went again in `enforce`."""
        for one in gone:
            self._refuse(one, NO_ROOM)

    async def settle(self, at_us: int) -> list[Refusal]:
        """Remembers what was refused, lists it and what went; a `Refusal` for each refused."""
        refusals = [self._refusal(OVER_QUOTA, why) for _, why, _ in self._refused]
        counted = Counter(refusals)
        for key, count in self._evicted.items():
            counted[Refusal(key, "entries", EVICTED, GAVE_WAY, EVICTED.encode())] = count
        await add_counted(self._write, list(counted.items()), at_us)
        await self._write.run_many(
            "INSERT OR IGNORE INTO kept_out (id, author, document) VALUES (?, ?, ?)",
            (
                (one.id[:ITEM_ID_BYTES], one.document.subspace[:AUTHOR_PREFIX_BYTES], waits_for)
                for one, _, waits_for in self._refused
            ),
        )
        if counted:
            await self._write.run(
                "DELETE FROM kept_out WHERE number <= (SELECT max(number) FROM kept_out) - ?",
                (self._quota.kept_out_max,),
            )
            await self._write.run(
                "DELETE FROM source WHERE bytes = 0"
                " AND NOT EXISTS (SELECT 1 FROM usage WHERE source = number)"
            )
        return refusals

    async def _forget(self, kept: Sequence[CheckedEntry]) -> None:
        """What is kept now is not kept out, and what waited for it may come again."""
        if not kept or not await self._write.number("SELECT 1 FROM kept_out LIMIT 1"):
            return
        await self._write.run_many(
            "DELETE FROM kept_out WHERE id = ?", ((one.id[:ITEM_ID_BYTES],) for one in kept)
        )
        await self._write.run_many(
            "DELETE FROM kept_out WHERE document = ?",
            ((document_key(one),) for one in _documents_and_judges(kept)),
        )

    def _refusal(self, code: str, why: str) -> Refusal:
        return Refusal(self._giver.key, "entries", code, why, why.encode())

    def _refuse(self, one: CheckedEntry, why: str, waits_for: bytes | None = None) -> None:
        if one.statement is not None:  # it may come again once it judges something here
            waits_for = document_key(one.document)
        self._refused.append((one, why, waits_for))

    def _is_stranger(self, one: CheckedEntry) -> bool:
        """Not by anybody who is followed, in nobody's subspace who is.

        What takes back a right to something held here is no stranger's either, whatever room there
        is: without it what it ended would be shown for ever. It goes with all that it judges.
        """
        return (
            one.document.namespace == COMMONS
            and not (one.statement is not None and one.document.subspace in self._bearing)
            and one.document.subspace not in self._followed
            and self._followed.isdisjoint(one.capability.chain)
        )

    async def _within_documents(self, fresh: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        """A document may have so many entries: each costs a judgement of all."""
        held = Counter[bytes](
            dict(
                await self._write.rows_in(
                    "SELECT d.id, (SELECT count(e.number) FROM entry e WHERE e.document = d.number)"
                    " FROM document d WHERE d.id IN (*)",
                    list({one.document.encode() for one in fresh}),
                )
            )
        )

        def fits(one: CheckedEntry) -> bool:
            id = one.document.encode()
            is_authority = one.document.cls == AUTHORITY
            if held[id] >= (AUTHORITY_ENTRIES_MAX if is_authority else DOCUMENT_ENTRIES_MAX):
                return False
            held[id] += 1
            return True

        return self._kept(fresh, fits, "its document has as many entries as this node looks at")

    async def _without_waiting(self, fresh: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        """What waits for others is bounded; it may come again once they are here."""
        waiting: Waiting = await find_waiting(self._write, fresh, self._source)
        kept: list[CheckedEntry] = []
        for one in fresh:
            if waiting.has_room(one):
                kept.append(one)
            else:
                why = "too many entries wait for others that are not here; it may come again"
                self._refuse(one, why, document_key(one.document))
        return kept

    async def _within_authors(self, fresh: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        strangers = {one.document.subspace for one in fresh if one.id in self._strangers}
        held = Counter[bytes](
            dict(
                await self._write.rows_in(
                    "SELECT author, sum(bytes) FROM usage WHERE author IN (*) GROUP BY author",
                    list(strangers),
                )
            )
        )

        def fits(one: CheckedEntry) -> bool:
            size = self._strangers.get(one.id)
            if size is None:
                return True
            held[one.document.subspace] += size
            return held[one.document.subspace] <= self._quota.author_bytes

        return self._kept(fresh, fits, "its author has no more room here; naming them gives it")

    async def _within_areas(self, fresh: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        if not self._quota.areas:
            return list(fresh)
        held = Counter[str](dict(await self._write.rows("SELECT name, bytes FROM area_quota")))

        def fits(one: CheckedEntry) -> bool:
            areas = [area for area in self._quota.areas if area.includes(one)]
            size = size_of(one)
            if any(held[area.name] + size > area.limit_bytes for area in areas):
                return False
            held.update({area.name: size for area in areas})
            return True

        return self._kept(fresh, fits, "an area of the settings is full: quota.areas")

    def _kept(
        self, fresh: Iterable[CheckedEntry], fits: Callable[[CheckedEntry], bool], why: str
    ) -> list[CheckedEntry]:
        kept: list[CheckedEntry] = []
        for one in fresh:
            if fits(one):
                kept.append(one)
            else:
                self._refuse(one, why)
        return kept

    async def _within_budget(self, fresh: list[CheckedEntry]) -> list[CheckedEntry]:
        """The last ones are refused where nobody else has to give way."""
        strangers = {one.id: size for one, size in await self._sizes(fresh)}
        wanted = sum(strangers.values())
        over = await self._strangers_bytes() + wanted - self._quota.strangers_bytes
        if not strangers or over <= 0:
            return fresh
        over = await self._make_room(over, wanted)
        out: set[bytes] = set()
        for one in reversed(fresh):
            if over > 0 and one.id in strangers:
                over -= strangers[one.id]
                out.add(one.id)
        return self._kept(fresh, lambda one: one.id not in out, NO_ROOM)

    async def _make_room(self, over: int, wanted: int) -> int:
        """Evicts what heavier sources brought; gives how many bytes are still too many."""
        mine = wanted + await self._write.number(
            "SELECT strangers FROM source WHERE number = ?", (self._source,)
        )
        is_named = self._giver.author in self._followed
        passed = {self._source}
        if is_named:
            over = await self._displace(over, passed, _all, spares_named=True)

        def fair(weight: int, over: int) -> int:
            """Until it weighs what this source then will; what is refused after all, does not."""
            spare = (weight - mine + over) // 2
            return spare if is_named else min(spare, weight - self._quota.share_bytes)

        return await self._displace(over, passed, fair, spares_named=not is_named)

    async def _displace(
        self,
        over: int,
        passed: set[int],
        spare_of: Callable[[int, int], int],
        *,
        spares_named: bool,
    ) -> int:
        """Sources give way, the heaviest first, each as much as `spare_of` its weight says."""
        least = min(EVICT_BYTES_MIN, self._quota.strangers_bytes // EVICT_PARTS)
        while over > 0 and self._looks > 0:
            rival = await self._heaviest(passed, spares_named=spares_named)
            if rival is None or (spare := spare_of(rival[1], over)) <= 0:
                break
            passed.add(rival[0])
            over -= await self._evict(rival[0], min(spare, max(over, least)))
        return over

    async def _sizes(self, fresh: Sequence[CheckedEntry]) -> list[tuple[CheckedEntry, int]]:
        """The strangers' among them and what each will take, with a new document's beginning."""
        strangers = [one for one in fresh if one.id in self._strangers]
        ids = {one.document.encode() for one in strangers}
        known = {
            row[0]
            for row in await self._write.rows_in(
                "SELECT id FROM document WHERE id IN (*)", list(ids)
            )
        }
        sizes: list[tuple[CheckedEntry, int]] = []
        for one in strangers:
            id = one.document.encode()
            sizes.append((one, self._strangers[one.id] + (0 if id in known else DOCUMENT_BYTES)))
            known.add(id)
        return sizes

    async def _strangers_bytes(self) -> int:
        return await strangers_bytes(self._write)

    async def _heaviest(self, passed: set[int], *, spares_named: bool) -> tuple[int, int] | None:
        """(number, strangers' bytes) of the source that brought most, but for those passed."""
        named = " AND (author IS NULL OR author NOT IN (SELECT author FROM followed))"
        row = await self._write.row(
            "SELECT number, strangers FROM source WHERE strangers > 0"
            " AND number NOT IN (SELECT value FROM json_each(?))"
            f"{named if spares_named else ''} ORDER BY strangers DESC, number DESC LIMIT 1",
            (json.dumps(sorted(passed)),),
        )
        return (row[0], row[1]) if row else None

    async def _evict(self, source: int, wanted_bytes: int) -> int:
        """Gives how many bytes are free then."""
        self._looks = max(self._looks, 1)
        gone = await evict_newest(
            self._write, source, wanted_bytes, self._capabilities, looks_max=self._looks
        )
        self._looks -= max(gone.looked_at, 1)
        if gone.entries:
            row = await self._write.row("SELECT key FROM source WHERE number = ?", (source,))
            self._evicted[row[0] if row else ""] += gone.entries
        return gone.bytes


def _all(weight: int, over: int) -> int:
    return weight


def _documents_and_judges(kept: Sequence[CheckedEntry]) -> set[DocumentId]:
    """Where these lie, and the logs of all through whom the rights to them came."""
    documents = {one.document for one in kept}
    keys = {key for one in kept if one.statement is None for key in one.capability.chain}
    return documents | {
        log_of(COMMONS, AuthorKey(key), class_) for key in keys for class_ in RECORDS
    }
