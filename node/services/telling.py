"""Events told to universes: those of one that wait for their turn are one change of it."""

from collections.abc import Sequence
from functools import partial

from crdt.keys import NamespaceKey
from node.errors import NotFound
from node.services.joining import Answers
from node.services.snapshot_change import CHANGE_BYTES_MAX, PLACE_BYTES
from node.services.universes import Hand, document_of, signer_of, universe_meant
from storage.listings import ListedRow
from universe.event import Event, encode_event, event_id
from universe.record import add_events


async def tell(by: Hand, row: ListedRow, event: Event) -> tuple[bytes, Event]:
    """Add an event to one's own universe; the same said twice is one. Its id.

    Raises `InvalidRecord`, `NotAllowed`, `NotFound` for a snapshot that it has not.
    """
    encode_event(event)  # before it waits for anything
    await signer_of(by, row)
    universe, place = row.listing.target, row.namespace
    work = partial(_tell_each, by, universe, place)
    return await by.tellings.join((place, universe), event, work, by.turn), event


async def _tell_each(
    by: Hand, universe: str, place: NamespaceKey, came: Sequence[Event]
) -> Answers[bytes]:
    """All in one change; where that cannot be, each in its own: it hears what it is.

    For whoever holds `by.turn`: what they name does not go just then.
    """
    try:
        return await _tell_together(by, universe, place, came)
    except Exception as error:
        if len(came) == 1:
            return [error]
    answers: list[bytes | Exception | None] = []
    for one in came:
        answers += await _tell_each(by, universe, place, [one])
    return answers


async def _tell_together(
    by: Hand, universe: str, place: NamespaceKey, came: Sequence[Event]
) -> Answers[bytes]:
    """As many as one change takes; the others wait."""
    row = await universe_meant(by.store, universe, [place])
    answers: list[bytes | Exception | None] = [None] * len(came)
    told, size = list[bytes](), 0
    for at, one in enumerate(came):
        encoded = encode_event(one)
        size += len(encoded) + PLACE_BYTES
        if told and size > CHANGE_BYTES_MAX:
            break
        if one.snapshot and await by.store.snapshot(row.number, one.snapshot) is None:
            detail = f"{row.listing.record} has no snapshot {one.snapshot.hex()[:16]}…"
            answers[at] = NotFound(detail, code="unknown-snapshot")
        else:
            told.append(encoded)
            answers[at] = event_id(encoded)
    if told:
        document = document_of(row)
        signer = await by.signers.for_document(document)
        await by.store.commit(document, add_events(told, now_us=by.clock_us()), signer)
    return answers
