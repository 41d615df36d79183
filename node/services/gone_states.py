"""Of which universes the states are that `gc` would take: they are in no list any more.

What names a blob was let go, so it is looked for in what was signed: all changes of universes, the
last that came first, until each blob is found.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.keys import NamespaceKey
from registry.errors import InvalidStatement
from storage.store import Store
from universe.record import CLASS, KIND
from universe.snapshot import decode_snapshot, signed_in


@dataclass(frozen=True, slots=True)
class StateOf:
    """What a blob was a state of, as the last change says that put it."""

    universe: str
    """Full name."""
    namespace: NamespaceKey
    tick: int
    snapshot: bytes
    """Id."""


async def states_of(store: Store, blobs: Collection[BlobId]) -> Mapping[BlobId, StateOf]:
    """Those of them that a universe ever named as a state. Nothing is verified."""
    found: dict[BlobId, StateOf] = {}
    number: int | None = None
    while len(found) < len(blobs) and (raws := await store.raws_of_kind(CLASS, KIND, number)):
        number = raws[-1][0]
        each = [(document, raw) for _, document, raw in raws]
        new = await asyncio.to_thread(_states_in, each, {*blobs} - found.keys())
        found |= new
    return found


def _states_in(
    raws: Sequence[tuple[DocumentId, bytes]], wanted: Collection[BlobId]
) -> dict[BlobId, StateOf]:
    found: dict[BlobId, StateOf] = {}
    for document, raw in raws:
        for signed in signed_in(raw):
            try:
                said = decode_snapshot(signed.statement)
            except InvalidStatement:
                continue
            if said.blob in wanted and said.blob not in found:
                name = f"{encode_did_key(document.subspace)}/{document.record.decode()}"
                found[said.blob] = StateOf(name, document.namespace, said.tick, signed.id)
    return found
