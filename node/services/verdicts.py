"""What a gate here does with who comes: by its owner's passages, and by the traveller's bytes."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

from node.services.passengers import MIGRATION_FORMAT
from registry.errors import CannotTravel, RegistryError
from registry.formats.errors import FormatError
from registry.formats.primordium_migration import read_migration
from storage.store import Store
from universe.gate import Judge, Verdict
from universe.names import parse_full_name
from universe.passage import Half, Passage, judge_arrival
from universe.receipts import ARRIVAL, TRAVELLER_BYTES_MAX, Checked, Traveller
from universe.shares import Shares

FALSE_BYTES: Final = "its bytes are not those that it is named by"


def half_here(passage: Passage | None, universe: str) -> Half | None:
    """That of the owner of `universe`."""
    return None if passage is None else passage.half_of(parse_full_name(universe)[0])


def has_share(passage: Passage | None, shares: Shares) -> bool:
    """Whether anybody who came through it is answered now. If not, their stories are not read."""
    return passage is not None and shares[passage.name].allows(accept=passage.is_open)


def check_decided(signed: Checked, *, accept: bool) -> None:
    """Raises `CannotTravel` where its gate answered otherwise: somebody was quicker."""
    said = signed.receipt
    if (said.kind == ARRIVAL) != accept:
        did = "let in" if said.kind == ARRIVAL else "refused"
        raise CannotTravel(f"{said.traveller.who.soul} was {did} before", "was-decided")


async def by_its_blob(store: Store, departure: Checked) -> Verdict:
    """Of a traveller that is a blob: `accept` once all of it is here and is what it is named by.

    At most `TRAVELLER_BYTES_MAX` are read into memory, of one at a time.
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
    data = await store.read_blob(one.blob)
    is_right = await asyncio.to_thread(one.is_made_of, data)
    return Verdict("accept") if is_right else Verdict("refuse", FALSE_BYTES)


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
    *,
    is_gone: bool,
) -> Judge:
    """`suspect`: departures of gates that equivocated; `is_gone`: the universe was deleted.

    `large`: departure → `by_its_blob`, where that was looked at.
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
            return large.get(departure.id, verdict)
        return verdict

    return judge
