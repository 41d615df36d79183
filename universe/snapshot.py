"""The snapshot statement: what an author signs of one state of a universe.

```
statement = canonical CBOR {
  "type": "panspermia.snapshot/1",
  "universe": "did:key:…/universe:main",       where it was taken; a fork keeps its parent's
  "tick": 0 … 2^63 - 1, "kind": auto | manual | canonical | auto:manual,
  "blob": 32 bytes, "size": bytes, "checksum": BLAKE3 of the bytes, "media": "application/json",
  "at_us": µs since 1970,
  "day"?, "parent"?: the snapshot before it, "event"?: the canonical event, "wrapped"?: true,
  "decay"?: {"after"?: ticks, "never"?: true, "reason"?: text}
}
signature = Ed25519 of the statement by a device of the author
id        = BLAKE3 of the statement
```
What is not said is left out: there is one statement for what a snapshot says, and so one id. The
id names the snapshot everywhere; several at one tick are several snapshots. The statement stands
alone: with it, the signature and the device's delegation a file can be checked that came from
anywhere.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec
from blake3 import blake3

from crdt import cbor
from crdt.blob import BLOB_BYTES_MAX, BlobId
from crdt.digest import DIGEST_BYTES
from crdt.ed25519 import SIGNATURE_BYTES, SigningKey
from crdt.keys import KEY_BYTES
from registry.errors import InvalidName, InvalidStatement, quoted
from registry.fields import TIME_US_MAX, unsafe_line
from universe.names import parse_full_name
from universe.statement import Form, parts_of

TYPE: Final = "panspermia.snapshot/1"
KINDS: Final = ("auto", "manual", "canonical")
AUTO_AS_MANUAL: Final = "auto:manual"
"""An autosave whose program calls it `manual`, as games of ai_village say of every save."""
KINDS_SIGNED: Final = (*KINDS, AUTO_AS_MANUAL)
"""What a statement may have."""
STATEMENT_BYTES_MAX: Final = 1_024
"""Hundreds stand in one document; a usual one takes 300."""
TICK_MAX: Final = (1 << 63) - 1
"""What a list can sort by."""
MEDIA_CHARACTERS_MAX: Final = 127
REASON_CHARACTERS_MAX: Final = 200
EVENT_BYTES: Final = 16
SIGNED_BYTES_MAX: Final = STATEMENT_BYTES_MAX + KEY_BYTES + SIGNATURE_BYTES + 16
"""A statement with its signature and its device, as the document keeps it."""
REMEMBERED: Final = 256
"""Remembered as they were read, 2 KB each: whoever forks or saves reads the same one four times."""
# In CBOR three byte strings, the first of which is a map, as the document keeps one. It is looked
# ahead at: what only looks like the head of one may stand before it.
_SIGNED: Final = re.compile(rb"(?=\x83(?:\x58(.)|\x59(..))[\xa8-\xb7])", re.DOTALL)
_SIGNATURE_HEAD: Final = bytes([0x58, SIGNATURE_BYTES])
_REST_BYTES: Final = len(_SIGNATURE_HEAD) + SIGNATURE_BYTES + 2 + KEY_BYTES
_MEDIA: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:[\t -~]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Decay:
    """How long the author wants it kept, whatever the universe's own rule says."""

    after: int | None = None
    """Ticks."""
    is_never: bool = False
    reason: str = ""

    @property
    def goes(self) -> bool:
        """Whether it is let go at some time."""
        return self.after is not None and not self.is_never


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a statement says."""

    universe: str
    """did/id in which it was taken."""
    tick: int
    kind: str
    blob: BlobId
    """Its bytes, a blob of version 2."""
    size: int
    checksum: bytes
    """BLAKE3 of its bytes."""
    media: str
    """Their Content-Type, kept as it came."""
    at_us: int
    """When, as the author has it."""
    day: int | None = None
    parent: bytes | None = None
    """The snapshot before it in this line."""
    event: bytes | None = None
    """The canonical event that it belongs to."""
    wrapped: bool = False
    """It came inside of a JSON body, and goes back the same way."""
    decay: Decay | None = None


@dataclass(frozen=True, slots=True)
class SignedSnapshot:
    """A statement as it was signed."""

    statement: bytes
    signature: bytes
    device: bytes

    @property
    def id(self) -> bytes:
        """The snapshot's identity, 32 bytes."""
        return blake3(self.statement).digest()


def kind_of(said: str) -> str:
    """What it is to every rule and reader: one of `KINDS`. `said`: of a statement."""
    return said.partition(":")[0]


def kind_sent(said: str) -> str:
    """What its program calls it: one of `KINDS`."""
    return said.rpartition(":")[2]


def is_alike(there: str, said: str) -> bool:
    """Whether `said`, the kind of a statement to come, says again what one of kind `there` says.

    Of an autosave it does not count what its program calls it: an export has what it is. And what
    programs call `manual` was signed so once.
    """
    return kind_of(there) == kind_of(said) or (there, said) == ("manual", AUTO_AS_MANUAL)


def goes_by_itself(decay: Decay | None, *, is_wrapped: bool) -> bool:
    """Whether it is let go by its own word. After how many ticks something goes is the word of a
    program where it came in JSON, as games write it into every save: it is shown, and obeyed by
    whoever asks for it."""
    return decay is not None and decay.goes and not is_wrapped


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """Raises `InvalidStatement` where it would not be read back."""
    return _FORM.encode(snapshot)


def sign_snapshot(snapshot: Snapshot, device: SigningKey) -> SignedSnapshot:
    """Raises `InvalidStatement` where it cannot be said."""
    statement = encode_snapshot(snapshot)
    return SignedSnapshot(statement, device.sign(statement), device.public)


@lru_cache(REMEMBERED)
def decode_snapshot(statement: bytes) -> Snapshot:
    """What was signed. Raises `InvalidStatement` for anything that is not exactly a statement."""
    return _FORM.decode(statement)


@lru_cache(REMEMBERED)
def verify_snapshot(signed: SignedSnapshot) -> Snapshot:
    """What it says, if its device signed it. Raises `InvalidStatement`.

    Of the very bytes that were found good before nothing is checked again; what is wrong is not
    remembered, and pushes nothing out.
    Whether the device is one of the author's, its delegation says.
    """
    snapshot = decode_snapshot(signed.statement)
    _FORM.check(signed.statement, signed.signature, signed.device)
    return snapshot


def encode_signed(signed: SignedSnapshot) -> bytes:
    """As the document keeps it: canonical CBOR [statement, signature, device]."""
    return cbor.encode([signed.statement, signed.signature, signed.device])


def decode_signed(data: bytes) -> SignedSnapshot:
    """Its parts, nothing of which is verified. Raises `InvalidStatement`."""
    lengths = (SIGNATURE_BYTES, KEY_BYTES)
    what = "not a signed snapshot"
    parts = parts_of(data, tuple[bytes, bytes, bytes], lengths, what, SIGNED_BYTES_MAX)
    return SignedSnapshot(*parts)


def signed_in(raw: bytes) -> Iterator[SignedSnapshot]:
    """All that a raw change puts, one after the other, whether they count or not; nothing of them
    is verified. Values stand in a change as they are."""
    for found in _SIGNED.finditer(raw):
        short, long = found.groups()
        size, at = int.from_bytes(short or long), found.start()
        end = at + (3 if short else 4) + size
        if size <= STATEMENT_BYTES_MAX and raw.startswith(_SIGNATURE_HEAD, end):
            with suppress(InvalidStatement):
                yield decode_signed(raw[at : end + _REST_BYTES])


class _Decay(msgspec.Struct, forbid_unknown_fields=True):
    after: int | None = None
    never: bool = False
    reason: str = ""


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    universe: str
    tick: int
    kind: str
    blob: bytes
    size: int
    checksum: bytes
    media: str
    at_us: int
    day: int | None = None
    parent: bytes | None = None
    event: bytes | None = None
    wrapped: bool = False
    decay: _Decay | None = None


def _read(wire: _Wire) -> Snapshot:
    kept = wire.decay
    return Snapshot(
        universe=wire.universe,
        tick=wire.tick,
        kind=wire.kind,
        blob=BlobId(wire.blob),
        size=wire.size,
        checksum=wire.checksum,
        media=wire.media,
        at_us=wire.at_us,
        day=wire.day,
        parent=wire.parent,
        event=wire.event,
        wrapped=wire.wrapped,
        decay=None if kept is None else Decay(kept.after, kept.never, kept.reason),
    )


def _said(snapshot: Snapshot) -> dict[str, Any]:
    said: dict[str, Any] = {
        "universe": snapshot.universe,
        "tick": snapshot.tick,
        "kind": snapshot.kind,
        "blob": bytes(snapshot.blob),
        "size": snapshot.size,
        "checksum": snapshot.checksum,
        "media": snapshot.media,
        "at_us": snapshot.at_us,
    }
    maybe = {"day": snapshot.day, "parent": snapshot.parent, "event": snapshot.event}
    said |= {key: value for key, value in maybe.items() if value is not None}
    if snapshot.wrapped:
        said["wrapped"] = True
    if decay := snapshot.decay:
        kept: dict[str, Any] = {} if decay.after is None else {"after": decay.after}
        kept |= {"never": True} if decay.is_never else {}
        said["decay"] = kept | ({"reason": decay.reason} if decay.reason else {})
    return said


def _wrong(snapshot: Snapshot) -> str | None:
    """Why readers refuse it, or None."""
    for what, number, most in (
        ("tick", snapshot.tick, TICK_MAX),
        ("day", snapshot.day or 0, TICK_MAX),
        ("time", snapshot.at_us, TIME_US_MAX),
    ):
        if not 0 <= number <= most:
            return f"a {what} of {quoted(str(number))}"
    if snapshot.kind not in KINDS_SIGNED:
        return f"a kind {quoted(snapshot.kind)}, none of {', '.join(KINDS)}"
    if not 0 < snapshot.size <= BLOB_BYTES_MAX:
        return f"a state of {snapshot.size} bytes"
    digests = [snapshot.blob, snapshot.checksum, snapshot.parent]
    if any(one is not None and len(one) != DIGEST_BYTES for one in digests):
        return f"a blob, a checksum or a parent of another length than {DIGEST_BYTES} bytes"
    if snapshot.event is not None and len(snapshot.event) != EVENT_BYTES:
        return f"an event of {len(snapshot.event)} bytes, not {EVENT_BYTES}"
    if wrong := media_problem(snapshot.media):
        return wrong
    try:
        parse_full_name(snapshot.universe)
    except InvalidName as unnamed:
        return unnamed.detail
    return None if snapshot.decay is None else _wrong_decay(snapshot.decay)


def _wrong_decay(decay: Decay) -> str | None:
    if decay == Decay():
        return "a decay that says nothing"
    if not 0 <= (decay.after or 0) <= TICK_MAX:
        return f"a decay after {quoted(str(decay.after))} ticks"
    if len(decay.reason) > REASON_CHARACTERS_MAX:
        return f"a reason of {len(decay.reason)} characters, at most {REASON_CHARACTERS_MAX}"
    return unsafe_line(decay.reason)


_FORM: Final = Form("a snapshot", TYPE, _Wire, STATEMENT_BYTES_MAX, _said, _read, _wrong)


def media_problem(media: str) -> str | None:
    """Why it is no Content-Type, or None."""
    if len(media) > MEDIA_CHARACTERS_MAX or not _MEDIA.fullmatch(media):
        return f"{quoted(media)} is no media type of at most {MEDIA_CHARACTERS_MAX} characters"
    return None
