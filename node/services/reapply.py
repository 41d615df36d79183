"""Doing again what own changes had done that fell with somebody else's."""

import asyncio
from dataclasses import dataclass

from crdt.change import DocumentId
from crdt.document import KeyPath, skeleton_for
from crdt.reapply import Doing, Gone, Made, Redo, onto, redo, redo_of
from node.services.signers import Signers
from storage.store import Store

VALUE_CHARACTERS_MAX = 80
"""Of a value that is shown; texts may have 60,000."""


@dataclass(frozen=True, slots=True)
class Again:
    """What is done again. `entry`: the id of the new entry; None where nothing changed."""

    changes: int
    unreadable: int
    left: int
    places: tuple[tuple[str, str], ...]
    """Where, and what is set there, or "deleted"."""
    entry: bytes | None


async def reapply(store: Store, signers: Signers, document: DocumentId, *, dry_run: bool) -> Again:
    """Of each epoch of a record, what this device wrote there and lost; one change for each.

    Raises `NotAllowed` (`no-capability`), and `StorageError` where it would not count now either.
    """
    fell = await store.fallen(document, signers.identity.device.public)
    skeleton = skeleton_for(document.cls, document.kind)
    state = await store.read(document)
    if state is None:
        return Again(0, 0, 0, (), None)
    again = [
        onto(await asyncio.to_thread(redo_of, skeleton, one.raws, one.changes), state.value)
        for one in fell
    ]
    entry: bytes | None = None
    for each in again if not dry_run else ():
        if each.doing:
            signer = await signers.for_document(document)
            done = await store.commit(document, redo(each), signer)
            entry = done.id if done else entry
    return Again(
        sum(each.changes for each in again),
        sum(each.unreadable for each in again),
        sum(each.left for each in again),
        tuple(place for each in again for place in _shown(each)),
        entry,
    )


def _shown(again: Redo) -> list[tuple[str, str]]:
    return [(_place(path), _value(what)) for path, what in again.doing.items()]


def _place(path: KeyPath) -> str:
    return "/".join(path)


def _value(what: Doing) -> str:
    match what:
        case Gone():
            return "deleted"
        case Made():
            return "made"
        case bytes():
            return f"{len(what)} bytes"
        case str() if len(what) > VALUE_CHARACTERS_MAX:
            return f"{what[:VALUE_CHARACTERS_MAX]}… ({len(what)} characters)"
        case _:
            return str(what)
