"""What the payload of an entry holds: a change of a document, or a statement."""

from dataclasses import dataclass

from crdt.digest import DIGEST_BYTES
from crdt.envelope import CHANGE, STATEMENT, open_envelope
from crdt.errors import Malformed, Unauthorised
from crdt.path import ChangePath
from crdt.preflight import ChangeHeader, read_change
from crdt.statement import Statement, check_place, decode_statement, is_statement_class


@dataclass(frozen=True, slots=True)
class Content:
    """A payload, read. `raw` is empty for a statement."""

    auth_heads: tuple[bytes, ...]
    prev: bytes | None
    header: ChangeHeader
    raw: bytes = b""
    statement: Statement | None = None


def read_content(payload: bytes, path: ChangePath) -> Content:
    """What lies at `path`. Raises `Malformed` or `Unauthorised`, as docs/protocol/ has it."""
    read = _statement_in if is_statement_class(path.cls) else _change_in
    return read(payload, path)


def _change_in(payload: bytes, path: ChangePath) -> Content:
    envelope = open_envelope(payload, CHANGE)
    change_hash, raw = envelope.body[:DIGEST_BYTES], envelope.body[DIGEST_BYTES:]
    if len(change_hash) < DIGEST_BYTES:
        raise Malformed("envelope", "the payload ends within the hash of its change")
    header = read_change(raw)
    if header.hash != change_hash:
        raise Malformed("change-hash", "the payload names another change than it carries")
    if header.actor != path.device:
        raise Unauthorised("wrong-actor", "the actor of the change is not the device that signed")
    if header.seq != path.seq:
        raise Malformed("wrong-seq", f"change {header.seq} in the place of {path.seq}")
    _check_prev(envelope.prev, path)
    if not header.dependencies:
        raise Malformed("no-dependencies", "only the skeleton of a document depends on nothing")
    return Content(envelope.auth_heads, envelope.prev, header, raw)


def _statement_in(payload: bytes, path: ChangePath) -> Content:
    check_place(path)
    envelope = open_envelope(payload, STATEMENT)
    statement = decode_statement(envelope.body, path.cls)
    _check_prev(envelope.prev, path)
    before = () if envelope.prev is None else (envelope.prev,)
    header = ChangeHeader(path.payload_digest, path.device, path.seq, path.seq, before, 1, 1)
    return Content(envelope.auth_heads, None, header, statement=statement)


def _check_prev(prev: bytes | None, path: ChangePath) -> None:
    if (prev is None) != (path.seq == 1):
        raise Malformed("wrong-prev", "a first act with a predecessor, or a later one without")
