"""The gate: what may stay, decided in the transaction that takes entries in.

    arrivals ──bounds of documents, waiting, authors, areas──> the strangers' budget ──> append
                        │ refused, remembered                     │ others' records evicted

While there is room everything is kept. Where there is none the source that brought most strangers'
bytes gives way: if it is who brings this, its arrivals are refused, else its newest records go. So
a flood through one peer evicts its own flood, however many keys it uses. Keys of devices are free
too: a peer whose author nobody here follows takes no room from another that brought no more than
the share each is granted (`Quota.share_bytes`), and none at all from a peer that is followed.
docs/protocol/quotas.md tells all of it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from crdt.change import CheckedEntry
from crdt.keys import AuthorKey, NamespaceKey, is_communal
from crdt.order import ITEM_ID_BYTES
from storage import bounds
from storage.claim import Claim, claim_of, guest_of
from storage.database import Writing
from storage.displacing import Displacing, everything
from storage.documents import Materialiser
from storage.ended import REVOKED_SENDER, TOO_MANY_REVOKED, beyond_revocations, still_cut
from storage.eviction import having_bearing
from storage.quarantine import Refusal, add_counted
from storage.quota import STRANGERS, Quota, budget_bytes
from storage.refused import (
    AREA_FULL,
    AUTHOR_FULL,
    BRANCH_FULL,
    DOCUMENT_FULL,
    EVICTED,
    GAVE_WAY,
    GUEST_FULL,
    NO_ROOM,
    OF_REVOKED,
    PEER_FULL,
    Refused,
)
from storage.rows import number_namespaces
from storage.usage import (
    DOCUMENT_BYTES,
    followed,
    size_of,
    source_number,
)
from storage.waiting import (
    Waiting,
    cited_by_waiting,
    cut_key,
    document_key,
    find_waiting,
    group_key,
    keys_met,
)


@dataclass(frozen=True, slots=True)
class Giver:
    """Who brings entries."""

    key: str
    author: AuthorKey | None
    """For whom it has proved to speak; None where it is no peer."""


class Gate:
    """One batch at the door. `admit` before the append, `enforce` after it."""

    def __init__(
        self, write: Writing, quota: Quota, giver: Giver, materialiser: Materialiser
    ) -> None:
        self._write = write
        self._workers = materialiser.workers
        self._quota = quota
        self._giver = giver
        self._followed: frozenset[bytes] = frozenset()
        self._bearing: frozenset[tuple[NamespaceKey, bytes]] = frozenset()
        self._budgets: dict[NamespaceKey, int] = {}
        self._displacing = Displacing(write, quota, materialiser.capabilities)
        self._arriving: dict[int, list[CheckedEntry]] = {}  # to each budget
        self._before_bytes: dict[int, int] = {}  # by `_measure`, before the append
        self._refused: list[Refused] = []
        self._cited: set[bytes] = set()  # statements that what is kept now goes by

    async def admit(self, fresh: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        """Those that may be kept, in order; others gave way to them."""
        if not fresh:
            return []
        self._followed = await followed(self._write)
        self._displacing.source = await source_number(
            self._write, self._giver.key, self._giver.author
        )
        self._displacing.is_named = self._giver.author in self._followed
        self._bearing = await self._judges(fresh)
        numbers = await number_namespaces(self._write, {one.document for one in fresh})
        self._budgets = {
            key: STRANGERS if is_communal(key) else number for key, number in numbers.items()
        }
        kept = await self._within_judged(fresh)
        looked_at = await self._without_waiting(kept)
        sizes = await self._sizes([one for one in looked_at if self._is_stranger(one)])
        out = await bounds.beyond_authors(self._write, looked_at, sizes, self._budgets, self._quota)
        kept = await self._within_guests(self._kept(looked_at, out, AUTHOR_FULL))
        out = await bounds.beyond_areas(self._write, kept, self._quota.areas, self._is_exempt)
        kept = self._kept(kept, out, AREA_FULL)
        fitting = await self._within_budget(kept, sizes)
        if len(fitting) < len(looked_at):  # what others here need may have found no room
            fitting = await self._without_waiting(fitting)
        kept = fitting
        await self._forget(kept)
        await self._note_before(kept)
        return kept

    async def _judges(self, fresh: Sequence[CheckedEntry]) -> frozenset[tuple[NamespaceKey, bytes]]:
        """Whose statements among these judge something that is held, or among these."""
        logs: dict[NamespaceKey, set[bytes]] = {}
        for one in fresh:
            if one.statement is not None:
                logs.setdefault(one.document.namespace, set()).add(one.document.subspace)
        judging: set[tuple[NamespaceKey, bytes]] = set()
        for namespace, keys in logs.items():
            through = {
                key
                for one in fresh
                if one.statement is None and one.document.namespace == namespace
                for key in one.capability.chain
            }
            through |= await having_bearing(self._write, namespace, list(keys))
            judging |= {(namespace, key) for key in through}
        return frozenset(judging)

    async def _note_before(self, kept: Sequence[CheckedEntry]) -> None:
        for one in kept:
            budget = self._budget_of(one)
            if not budget or self._claim(one) is Claim.STRANGER:
                self._arriving.setdefault(budget, []).append(one)
        for budget, arriving in self._arriving.items():
            entries = sum(map(size_of, arriving)) if budget else 0
            self._before_bytes[budget] = await self._measure(budget) - entries

    async def _measure(self, budget: int) -> int:
        """What grows with these arrivals: all strangers' bytes; in an owned namespace, where others
        who have room whatever there is count as well, what these documents take beside entries.
        """
        if not budget:
            return await budget_bytes(self._write, budget)
        documents = {one.document.encode() for one in self._arriving[budget]}
        rows = await self._write.rows_in(
            "SELECT x.size FROM document d JOIN derived x ON x.document = d.number"
            " WHERE d.id IN (*)",
            list(documents),
        )
        return sum(size for (size,) in rows)

    async def enforce(self) -> bool:
        """After the append: what documents take beside their entries counts too.

        As before, heavier sources give way first, then these arrivals as far as they made it too
        much; and where it was before, as when a name was removed, whoever is heaviest. Gives
        whether anything went.
        """
        for budget, before in self._before_bytes.items():
            grown = await self._measure(budget) - before
            over = await budget_bytes(self._write, budget) - self._quota.bytes_of(budget)
            if budget:  # where those who are followed took more, nobody goes for that
                over = min(over, grown)
            over = await self._displacing.make_room(budget, over, 0)
            if min(over, grown) > 0:
                source = self._displacing.source
                over -= await self._displacing.evict(budget, source, min(over, grown))
            await self._displacing.displace(budget, over, set(), everything, spares_named=False)
        if self._is_unnamed_peer and STRANGERS in self._before_bytes:
            source = self._displacing.source
            over = await self._displacing.weight(STRANGERS) - self._quota.peer_bytes
            if over > 0:
                await self._displacing.evict(STRANGERS, source, over)
        return bool(self._displacing.evicted)

    @property
    def is_full(self) -> bool:
        """Whether some of these were refused that another source may still have room for."""
        return any(one.is_for_room for one in self._refused)

    def refuse(self, gone: Iterable[CheckedEntry]) -> None:
        """These were admitted, and went again in `enforce`."""
        for one in gone:
            self._refuse(one, NO_ROOM)

    async def settle(self, at_us: int) -> list[Refusal]:
        """Remembers what was refused, lists it and what went; a `Refusal` for each refused."""
        refusals = [self._refusal(one) for one in self._refused]
        counted = Counter(refusals)
        for key, count in self._displacing.evicted.items():
            counted[Refusal(key, "entries", EVICTED, GAVE_WAY, EVICTED.encode())] = count
        await add_counted(self._write, list(counted.items()), at_us)
        # What ended a revocation may have come with what it had cut.
        cut = await still_cut(self._write, {one.cut_by for one in self._refused if one.cut_by})
        await self._write.run_many(
            "INSERT OR IGNORE INTO kept_out (id, author, document, is_for_room)"
            " VALUES (?, ?, ?, ?)",
            (
                (one.entry.id[:ITEM_ID_BYTES], one.answers, one.waits_for, one.is_for_room)
                for one in self._refused
                if one.entry.id not in self._cited and (one.cut_by is None or one.cut_by in cut)
            ),
        )
        if counted:
            await self._write.run(
                "DELETE FROM kept_out WHERE number <= (SELECT max(number) FROM kept_out) - ?",
                (self._quota.kept_out_max,),
            )
            await self._write.run("DELETE FROM weight WHERE total = 0 AND bytes = 0")
            await self._write.run(
                "DELETE FROM source WHERE NOT EXISTS (SELECT 1 FROM weight WHERE source = number)"
                " AND NOT EXISTS (SELECT 1 FROM usage WHERE source = number)"
            )
        return refusals

    async def _forget(self, kept: Sequence[CheckedEntry]) -> None:
        """What is kept now is not kept out, and what waited for it, or what it waits for, may come
        again.
        """
        self._cited = {head for one in kept for head in one.auth_heads}
        if not kept or not await self._write.number("SELECT 1 FROM kept_out LIMIT 1"):
            return
        ids = {one.id for one in kept} | self._cited
        await self._write.run_many(
            "DELETE FROM kept_out WHERE id = ?", ((id[:ITEM_ID_BYTES],) for id in ids)
        )
        await self._write.run_many(
            "DELETE FROM kept_out WHERE document = ?", ((key,) for key in keys_met(kept))
        )

    def _refusal(self, one: "Refused") -> Refusal:
        return Refusal(self._giver.key, "entries", one.code, one.why, one.why.encode())

    def _refuse(self, one: CheckedEntry, why: str, waits_for: bytes | None = None) -> None:
        if why == BRANCH_FULL:  # it may come again once another there has fallen
            waits_for = group_key(one.document.namespace)
        elif one.statement is not None:  # once it judges something here
            waits_for = document_key(one.document)
        self._refused.append(Refused(one, why, waits_for))

    def _is_stranger(self, one: CheckedEntry) -> bool:
        """Not by anybody who is followed, in nobody's subspace who is.

        What takes back a right to something held here is no stranger's either, whatever room there
        is: without it what it ended would be shown for ever. It goes with all that it judges.
        """
        return self._claim(one) is Claim.STRANGER and not self._is_exempt(one)

    def _is_exempt(self, one: CheckedEntry) -> bool:
        """Whether it judges something held, or among these."""
        key = (one.document.namespace, one.document.subspace)
        return one.statement is not None and key in self._bearing

    def _claim(self, one: CheckedEntry) -> Claim:
        return claim_of(one.document, one.capability, self._followed)

    def _budget_of(self, one: CheckedEntry) -> int:
        return self._budgets[one.document.namespace]

    async def _within_judged(self, fresh: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        """Without what there are too many of to be judged together."""
        cited = await cited_by_waiting(self._write, fresh)
        kept = await self._without_ended(fresh, cited)
        out = await bounds.beyond_documents(self._write, kept, cited)
        kept = self._kept(kept, out, DOCUMENT_FULL)
        return self._kept(kept, await bounds.beyond_branches(self._write, kept, cited), BRANCH_FULL)

    async def _without_ended(
        self, fresh: Sequence[CheckedEntry], cited: Collection[bytes]
    ) -> list[CheckedEntry]:
        """With few of those to which a revocation in force has ended the right."""
        ended = await beyond_revocations(self._write, fresh, self._workers, cited)
        kept: list[CheckedEntry] = []
        for one in fresh:
            if one.id not in ended:
                kept.append(one)
                continue
            gone = {key for _, key in ended[one.id]}
            is_sender = self._giver.author in gone or self._giver.key in map(bytes.hex, gone)
            code = REVOKED_SENDER if is_sender else TOO_MANY_REVOKED
            cut_by = (one.document.namespace, *ended[one.id][0])
            self._refused.append(Refused(one, OF_REVOKED, cut_key(*cut_by), code, cut_by))
        return kept

    async def _without_waiting(self, fresh: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        """What waits for others is bounded; it may come again once they are here."""
        waiting: Waiting = await find_waiting(self._write, fresh, self._displacing.source)
        kept: list[CheckedEntry] = []
        for one in fresh:
            if waiting.has_room(one):
                kept.append(one)
            else:
                why = "too many entries wait for others that are not here; it may come again"
                self._refuse(one, why, waiting.until(one))
        return kept

    async def _within_guests(self, fresh: Sequence[CheckedEntry]) -> list[CheckedEntry]:
        """Whoever was let in may have so much, in all records of who let them in."""
        guests = {
            one.id: guest
            for one in fresh
            if self._claim(one) is not Claim.FOLLOWED
            and (guest := guest_of(one.document, one.capability))
        }
        if not guests:
            return list(fresh)
        theirs = [one for one in fresh if one.id in guests]
        sizes = await self._sizes(theirs)
        asked = [(one, guests[one.id], sizes[one.id]) for one in theirs]
        return self._kept(
            fresh, await bounds.beyond_guests(self._write, asked, self._quota), GUEST_FULL
        )

    def _kept(
        self, fresh: Iterable[CheckedEntry], out: Collection[bytes], why: str
    ) -> list[CheckedEntry]:
        """Without `out`, which is refused."""
        kept: list[CheckedEntry] = []
        for one in fresh:
            if one.id not in out:
                kept.append(one)
            else:
                self._refuse(one, why)
        return kept

    async def _within_budget(
        self, fresh: list[CheckedEntry], sizes: Mapping[bytes, int]
    ) -> list[CheckedEntry]:
        """The last ones are refused where nobody else has to give way."""
        fresh = await self._within_peer(fresh, sizes)
        out: set[bytes] = set()
        arriving: dict[int, list[tuple[bytes, int]]] = {}
        for one in fresh:
            if one.id in sizes:
                to = arriving.setdefault(self._budget_of(one), [])
                to.append((one.id, sizes[one.id]))
        for budget, strangers in arriving.items():
            wanted = sum(size for _, size in strangers)
            held = await budget_bytes(self._write, budget)
            over = held + wanted - self._quota.bytes_of(budget)
            if budget:  # where those who are followed took more, nobody goes for that
                over = min(over, wanted)
            over = await self._displacing.make_room(budget, over, wanted)
            for id, size in reversed(strangers):
                if over > 0:
                    over -= size
                    out.add(id)
        return self._kept(fresh, out, NO_ROOM)

    async def _within_peer(
        self, fresh: list[CheckedEntry], sizes: Mapping[bytes, int]
    ) -> list[CheckedEntry]:
        """Without strangers' entries for which this one peer has brought too much already."""
        if not self._is_unnamed_peer or not sizes:
            return fresh
        left = self._quota.peer_bytes - await self._displacing.weight(STRANGERS)
        out: set[bytes] = set()
        for one in fresh:
            if one.id in sizes and self._budget_of(one) == STRANGERS:
                left -= sizes[one.id]
                if left < 0:
                    out.add(one.id)
        return self._kept(fresh, out, PEER_FULL)

    @property
    def _is_unnamed_peer(self) -> bool:
        return self._giver.author is not None and not self._displacing.is_named

    async def _sizes(self, fresh: Sequence[CheckedEntry]) -> dict[bytes, int]:
        """By id what each will take, with a new document's beginning."""
        if not fresh:
            return {}
        ids = {one.document.encode() for one in fresh}
        rows = await self._write.rows_in("SELECT id FROM document WHERE id IN (*)", list(ids))
        known = {id for (id,) in rows}
        sizes: dict[bytes, int] = {}
        for one in fresh:
            id = one.document.encode()
            sizes[one.id] = size_of(one) + (0 if id in known else DOCUMENT_BYTES)
            known.add(id)
        return sizes
