"""What a gate here does with who comes: by its owner's passages, and by the traveller's bytes."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from crdt.blob import BlobId
from node.services.passengers import MIGRATION_FORMAT
from registry.errors import CannotTravel, RegistryError
from registry.formats.errors import FormatError
from registry.formats.primordium_migration import read_migration
from storage.errors import NotHeld
from storage.store import Store
from universe import shares
from universe.gate import Judge, Verdict
from universe.names import parse_full_name
from universe.passage import Passage, judge_arrival
from universe.receipts import ARRIVAL, TRAVELLER_BYTES_MAX, Checked, Traveller
from universe.shares import Shares

FALSE_BYTES: Final = "its bytes are not those that it is named by"
HASHES_MAX: Final = 4_096
"""More than one universe sends as blobs, eight times: half a megabyte."""


def is_agreed(passage: Passage | None, universe: str, other: str) -> bool:
    """Whether it joins the two, and the owner of `universe` said so: whoever sends may name any."""
    if passage is None or not passage.leads(universe, other):
        return False
    return passage.half_of(parse_full_name(universe)[0]) is not None


def has_share(passage: Passage | None, each: Shares) -> bool:
    """Whether anybody who came through it is answered now. If not, their stories are not read."""
    return passage is not None and each[passage.name].allows(accept=passage.is_open)


def check_decided(signed: Checked, *, accept: bool) -> None:
    """Raises `CannotTravel` where its gate answered otherwise: somebody was quicker."""
    said = signed.receipt
    if (said.kind == ARRIVAL) != accept:
        did = "let in" if said.kind == ARRIVAL else "refused"
        raise CannotTravel(f"{said.traveller.who.soul} was {did} before", "was-decided")


async def by_its_blob(store: Store, departure: Checked, hashes: dict[BlobId, bytes]) -> Verdict:
    """Of a traveller that is a blob: `accept` once all of it is here and is what it is named by.

    `hashes`: of what each blob holds, where that was read: however many name it, and by whatever
    hash, it is read once. At most `TRAVELLER_BYTES_MAX` are in memory, of one at a time.
    """
    one = departure.receipt.traveller
    assert one.blob is not None
    if one.format == MIGRATION_FORMAT or not 0 < one.size <= TRAVELLER_BYTES_MAX:
        return Verdict("refuse", f"a {one.format} of {one.size} bytes is too large")
    state = await store.blob_state(one.blob)
    if state is not None and state.size != one.size:
        return Verdict("refuse", FALSE_BYTES)
    if not await store.has_blob(one.blob):
        return Verdict("wait", "its bytes are not here yet")
    found = hashes.get(one.blob)
    if found is None:
        try:
            data = await store.read_blob(one.blob)
        except NotHeld:  # what lies there is damaged: it is asked for like what never came
            return Verdict("wait", "its bytes are not here any more")
        if len(hashes) >= HASHES_MAX:
            del hashes[next(iter(hashes))]  # what was read first
        found = hashes[one.blob] = await asyncio.to_thread(lambda: blake3(data).digest())
    return Verdict("accept") if found == one.hash else Verdict("refuse", FALSE_BYTES)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob that travellers wait for."""

    size: int
    """That it is to be, at most."""
    passages: frozenset[str]
    """Through which they came."""

    def with_(self, size: int, passage: str) -> "Wanted":
        """One more names it. Of what they say of its size none keeps it from another one."""
        return Wanted(max(self.size, size), self.passages | {passage})


async def look_at(
    unseen: Sequence[Checked],
    large: dict[bytes, Verdict],
    waiting: Counter[str],
    most: int,
    by_blob: Callable[[Checked], Awaitable[Verdict]],
) -> bool:
    """Into their blobs, until so many can be answered; whether any can be.

    `waiting`: passage → how many who came through it were found to wait for their bytes. Where
    these are `UNDER_WAY_MAX` others wait behind them: an honest gate sends no more.
    """
    found = 0
    for one in unseen:
        if found == most:
            break
        passage = one.receipt.passage
        if waiting[passage] >= shares.UNDER_WAY_MAX:
            large[one.id] = Verdict("wait", "others who came through this passage wait before it")
            continue
        large[one.id] = await by_blob(one)
        is_waiting = large[one.id].word == "wait"
        waiting[passage] += is_waiting
        found += not is_waiting
    return found > 0


async def bytes_told(store: Store, traveller: Traveller) -> bytes | None:
    """Its bytes as they left; None where they are a blob that is not here, or is another."""
    blob = traveller.blob
    if blob is None:
        return traveller.inline
    state = await store.blob_state(blob)
    is_here = await store.has_blob(blob)
    if state is None or not is_here or not state.size == traveller.size <= TRAVELLER_BYTES_MAX:
        return None
    data = await store.read_blob(blob)
    return data if await asyncio.to_thread(traveller.is_made_of, data) else None


def judge_of(
    passages: Mapping[str, Passage | None],
    suspect: Collection[bytes],
    large: Mapping[bytes, Verdict],
    unseen: list[Checked],
    *,
    is_gone: bool,
) -> Judge:
    """`suspect`: departures of gates that equivocated; `is_gone`: the universe was deleted.

    `large`: departure → `by_its_blob`, where that was looked at; else it waits, and is `unseen`.
    """

    def judge(departure: Checked) -> Verdict:
        said = departure.receipt
        data = said.traveller.inline
        if data is not None and said.traveller.format == MIGRATION_FORMAT:
            try:
                read_migration(data, "traveller")
            except (FormatError, RegistryError):
                return Verdict("refuse", "it is no MigrateEntity whose checksum holds")
        is_suspect = departure.id in suspect
        verdict = judge_arrival(departure, passages.get(said.passage), is_suspect=is_suspect)
        if is_gone and verdict.word != "wait":
            return Verdict("refuse", "the universe was deleted")
        if data is None and verdict.word == "accept":
            if departure.id not in large:
                unseen.append(departure)
            return large.get(departure.id, Verdict("wait", "its bytes were not looked at"))
        return verdict

    return judge
