"""Deleting records of any kind, and bringing them back."""

import os
from typing import Annotated

from msgspec import Meta, Struct

from node.api.endpoint import Call, writes
from node.api.models import Place, Request
from node.services.deleting import Deleter, delete_record, drop_record, undelete_record
from node.services.namespaces import Keeper
from node.services.places import place_meant
from node.services.records import record_text
from node.wiring import Node


class DeletionPlace(Struct, frozen=True):
    namespace: Place | None = None
    """Without it commons; what is brought back is found in whichever of your namespaces it is."""


class Deletion(Request, frozen=True):
    record: Annotated[str, Meta(min_length=1, max_length=600)]
    """A module by its name, or any record as WHOSE/class/kind/record."""
    undo: bool = False
    for_good: bool = False
    """Its bytes may go as well: it must be deleted by now."""
    passphrase: Annotated[str, Meta(max_length=1_024)] | None = None
    """Of the root key, for good only."""


class Deleted(Struct, frozen=True):
    record: str
    deleted: bool
    for_good: bool
    entries_dropped: int
    bytes_freed: int


async def delete_one(node: Node, call: Call[DeletionPlace, Deletion]) -> Deleted:
    """Show a record of one's own to nobody any more, or bring it back, or let its bytes go."""
    place = await place_meant(node.store, call.query.namespace or "commons")
    keeper = Keeper(node.home, node.identity, node.store, os.urandom)
    by = Deleter(keeper, node.signers, place, is_said=call.query.namespace is not None)
    body = call.body
    if body.for_good:
        gone, dropped = await drop_record(by, body.record, body.passphrase)
        return Deleted(record_text(gone), True, True, dropped.entries, dropped.bytes)
    if body.undo:
        return Deleted(record_text(await undelete_record(by, body.record)), False, False, 0, 0)
    deleted = await delete_record(by, body.record, now_us=node.clock_us())
    return Deleted(record_text(deleted), True, False, 0, 0)


ENDPOINTS = (
    writes(
        "/api/records/deletion", delete_one, Deleted, body=Deletion, query=DeletionPlace,
        problems=(404, 409),
    ),
)  # fmt: skip
