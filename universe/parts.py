"""What a universe's document holds by the thousand: its snapshots and events, and how one is read.

Devices that were apart may have added more than there is room for: of too many those of the lowest
ids count, everywhere the same. The other snapshots are `Parts.beyond`.
"""

from typing import Any, Final

import msgspec

from crdt import cbor
from crdt.errors import Malformed
from registry.errors import InvalidStatement, MalformedRecord, RegistryError
from registry.fields import Plain, map_at
from storage.listing import EventRow, Parts, SnapshotRow
from universe.event import decode_event, event_id
from universe.names import parse_full_name
from universe.snapshot import (
    SIGNED_BYTES_MAX,
    Decay,
    SignedSnapshot,
    decode_signed,
    decode_snapshot,
    encode_signed,
    verify_snapshot,
)

ORIGIN_BYTES_MAX: Final = SIGNED_BYTES_MAX + 256
SNAPSHOTS_MAX: Final = 5_000
"""A document goes on in a new epoch with 10,000 values, and events need room beside them."""

EVENTS_MAX: Final = 4_096
_ID_DIGITS: Final = 64
_EVENT_DIGITS: Final = 32


class Origin(msgspec.Struct, frozen=True):
    """What a fork began with."""

    universeId: str
    """As the parent's author calls it."""
    snapshotTick: int
    universe: str
    """Full name of the parent."""
    snapshot: str
    """Id of the snapshot, hex."""
    takenAt: int = 0
    """When that was taken, in ms since 1970; 0 where it was not kept."""


def encode_origin(parent: str, signed: SignedSnapshot) -> bytes:
    return cbor.encode([parent, encode_signed(signed)])


def decode_origin(data: bytes) -> tuple[str, SignedSnapshot]:
    """(full name of the parent, what the fork began with). Raises `MalformedRecord`."""
    try:
        parent, said = cbor.decode(data, bytes_max=ORIGIN_BYTES_MAX, depth_max=1)
        parse_full_name(parent)
        return parent, decode_signed(said)
    except (Malformed, RegistryError) as wrong:
        raise MalformedRecord(f"what a fork began with: {wrong}") from wrong
    except (TypeError, ValueError, AttributeError) as wrong:
        raise MalformedRecord("what a fork began with is no [name, snapshot]") from wrong


def parts_of(value: Plain, body: Plain) -> tuple[Parts, str, Origin | None]:
    """What it holds by the thousand, the name of the parent, and what it began with."""
    snapshots, beyond = _bytes_of(map_at(value, "snapshots"), _ID_DIGITS, SNAPSHOTS_MAX)
    events, _ = _bytes_of(map_at(value, "events"), _EVENT_DIGITS, EVENTS_MAX)
    said = body.get("forked_from")
    if said is None:
        return Parts(snapshots, events, frozenset(), read_snapshot, read_event, beyond), "", None
    if type(said) is not bytes:
        raise MalformedRecord("what a fork began with is no bytes")
    parent, signed = decode_origin(said)
    try:
        begun = decode_snapshot(signed.statement)
    except InvalidStatement as wrong:
        raise MalformedRecord(f"what a fork began with: {wrong.detail}") from wrong
    id = parse_full_name(parent)[1]
    origin = Origin(id, begun.tick, parent, signed.id.hex(), begun.at_us // 1_000)
    inherited = frozenset({signed.id} - snapshots.keys())
    both = {signed.id: encode_signed(signed), **snapshots}
    return Parts(both, events, inherited, read_snapshot, read_event, beyond), parent, origin


def read_snapshot(id: bytes, data: bytes) -> SnapshotRow | None:
    """None for what is not a snapshot of that id which its device signed."""
    try:
        signed = decode_signed(data)
        snapshot = verify_snapshot(signed)
    except InvalidStatement:
        return None
    if signed.id != id:
        return None
    return SnapshotRow(
        id=id,
        tick=snapshot.tick,
        kind=snapshot.kind,
        at_us=snapshot.at_us,
        blob=snapshot.blob,
        size=snapshot.size,
        checksum=snapshot.checksum,
        media=snapshot.media,
        day=snapshot.day,
        parent=snapshot.parent,
        event=snapshot.event,
        wrapped=snapshot.wrapped,
        decay=decay_json(snapshot.decay),
    )


def read_event(id: bytes, data: bytes) -> EventRow | None:
    """None for what is no event of that id."""
    try:
        event = decode_event(data)
    except MalformedRecord:
        return None
    return EventRow(id, event.tick, event.at_us, data) if event_id(data) == id else None


def decay_json(decay: Decay | None) -> str:
    """As multiverse clients have it; "" for none."""
    if decay is None:
        return ""
    said: dict[str, Any] = {}
    if decay.after is not None:
        said["decayAfterTicks"] = decay.after
    if decay.is_never:
        said["neverDecay"] = True
    if decay.reason:
        said["preservationReason"] = decay.reason
    return msgspec.json.encode(said).decode()


def _bytes_of(said: Plain, digits: int, most: int) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """(what counts, what is too many): keys of so many lower-case hex digits, with bytes behind
    them; all else is nobody's."""
    found: dict[bytes, bytes] = {}
    for key, data in said.items():
        if len(key) != digits or type(data) is not bytes:
            continue
        try:
            id = bytes.fromhex(key)
        except ValueError:
            continue
        if id.hex() == key:
            found[id] = data
    if len(found) <= most:
        return found, {}
    ids = sorted(found)
    return {id: found[id] for id in ids[:most]}, {id: found[id] for id in ids[most:]}
