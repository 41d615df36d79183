"""Receipts: what the gate of a universe signs of every traveller that leaves or comes.

```
statement = canonical CBOR {
  "type": "panspermia.receipt/1",
  "kind": departure | arrival | refusal | return,
  "universe": "did:key:…/universe:main",          whose receipt it is
  "other": "did:key:…/universe:far",              the other end of the passage
  "gate": its device's key, 32 bytes, "epoch": 1 …, "seq": 1 …,   in the chain of this universe
  "prev": id of the receipt before in this chain, 32 zero bytes in the first,
  "migration": 16 bytes, "passage": "did:key:…/passage:1",
  "traveller": {"origin": did/id, "soul": text, "hash": BLAKE3 of its bytes, "size": bytes,
                "format": word, "inline" | "blob": its bytes or their blob, in a departure only},
  "tick": 0 …, "at_us": µs since 1970,
  "answers"?: id of the receipt that this one answers, "reason"?: text, in a refusal only
}
signature = Ed25519 of the statement by the gate's device
id        = BLAKE3 of the statement
```
An arrival and a refusal answer a departure of the other universe, a return answers its refusal. Who
is the same traveller, `origin` and `soul` say together: nobody else can begin a story of them.
Which receipts count is said in `lines.py`, where a traveller is by them in `travel.py`.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from blake3 import blake3

from crdt import cbor
from crdt.blob import BLOB_BYTES_MAX, BlobId
from crdt.digest import DIGEST_BYTES
from crdt.ed25519 import SIGNATURE_BYTES, SigningKey
from crdt.keys import KEY_BYTES
from registry.errors import InvalidName, quoted
from registry.fields import TIME_US_MAX, unsafe_line
from universe.names import parse_full_name
from universe.statement import Form, parts_of

TYPE: Final = "panspermia.receipt/1"
DEPARTURE, ARRIVAL, REFUSAL, RETURN = "departure", "arrival", "refusal", "return"
KINDS: Final = (DEPARTURE, ARRIVAL, REFUSAL, RETURN)
NO_RECEIPT: Final = bytes(DIGEST_BYTES)
"""What stands before the first receipt of a universe."""
MIGRATION_BYTES: Final = 16
INLINE_BYTES_MAX: Final = 32 * 1024
"""Of a traveller within its departure: one change of 64 KiB holds it. Larger ones are blobs."""
TRAVELLER_BYTES_MAX: Final = 8 << 20
"""Of one that is a blob: whoever lets it in fetches all of it first."""
RECEIPT_BYTES_MAX: Final = 36 * 1024
"""Of a statement: the largest traveller and the longest names."""
SIGNED_BYTES_MAX: Final = RECEIPT_BYTES_MAX + SIGNATURE_BYTES + 16
SOUL_CHARACTERS_MAX: Final = 128
REASON_CHARACTERS_MAX: Final = 200
SEQ_MAX: Final = (1 << 32) - 1
"""Eight hex digits, as the document's keys have them."""
TICK_MAX: Final = (1 << 63) - 1
FORMAT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Who:
    """The identity of a traveller: the universe that it comes from, did/id, and its soul there."""

    origin: str
    soul: str


@dataclass(frozen=True, slots=True)
class Traveller:
    """A creature as it left. `inline` or `blob` only where its bytes are told: in a departure."""

    who: Who
    hash: bytes
    """BLAKE3 of its bytes."""
    size: int
    format: str
    """A word for what the bytes are: `primordium-migration`, `json` …"""
    inline: bytes | None = None
    blob: BlobId | None = None

    @classmethod
    def of(cls, who: Who, data: bytes, format: str) -> "Traveller":
        """One that is small enough to stand in its departure."""
        return cls(who, blake3(data).digest(), len(data), format, inline=data)

    @classmethod
    def in_blob(cls, who: Who, data: bytes, format: str, blob: BlobId) -> "Traveller":
        """One whose bytes are the blob of that name."""
        return cls(who, blake3(data).digest(), len(data), format, blob=blob)

    def is_made_of(self, data: bytes) -> bool:
        """Whether these are the bytes that it is named by."""
        return (self.size, self.hash) == (len(data), blake3(data).digest())

    @property
    def told(self) -> "Traveller":
        """The same without its bytes, as all receipts but a departure have it."""
        return Traveller(self.who, self.hash, self.size, self.format)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a statement says."""

    kind: str
    universe: str
    other: str
    gate: bytes
    epoch: int
    seq: int
    prev: bytes
    migration: bytes
    passage: str
    traveller: Traveller
    tick: int
    at_us: int
    answers: bytes | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement as it was signed; by whom, it says itself."""

    statement: bytes
    signature: bytes

    @property
    def id(self) -> bytes:
        """BLAKE3 of the statement, 32 bytes."""
        return blake3(self.statement).digest()


@dataclass(frozen=True, slots=True)
class Checked:
    """A receipt whose signature was verified."""

    id: bytes
    receipt: Receipt


def encode_receipt(receipt: Receipt) -> bytes:
    """Raises `InvalidStatement` where it would not be read back."""
    return _FORM.encode(receipt)


def id_of(receipt: Receipt) -> bytes:
    """What it will be named by once it is signed. Raises `InvalidStatement`."""
    return blake3(encode_receipt(receipt)).digest()


def sign_receipt(receipt: Receipt, gate: SigningKey) -> Signed:
    """By the gate that it names. Raises `InvalidStatement` where it cannot be said."""
    assert gate.public == receipt.gate
    statement = encode_receipt(receipt)
    return Signed(statement, gate.sign(statement))


def decode_receipt(statement: bytes) -> Receipt:
    """What was signed. Raises `InvalidStatement` for anything that is not exactly a receipt."""
    return _FORM.decode(statement)


def check_receipt(signed: Signed) -> Checked:
    """What it says, if the gate that it names signed it. Raises `InvalidStatement`.

    Whether that is the gate of the universe, its hand-overs say.
    """
    receipt = decode_receipt(signed.statement)
    _FORM.check(signed.statement, signed.signature, receipt.gate)
    return Checked(signed.id, receipt)


def encode_signed(signed: Signed) -> bytes:
    """As a document keeps it: canonical CBOR [statement, signature]."""
    return cbor.encode([signed.statement, signed.signature])


def decode_signed(data: bytes) -> Signed:
    """Its parts, nothing of which is verified. Raises `InvalidStatement`."""
    what, lengths = "not a signed statement", (SIGNATURE_BYTES,)
    return Signed(*parts_of(data, tuple[bytes, bytes], lengths, what, SIGNED_BYTES_MAX))


class _Traveller(msgspec.Struct, forbid_unknown_fields=True):
    origin: str
    soul: str
    hash: bytes
    size: int
    format: str
    inline: bytes | None = None
    blob: bytes | None = None


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    kind: str
    universe: str
    other: str
    gate: bytes
    epoch: int
    seq: int
    prev: bytes
    migration: bytes
    passage: str
    traveller: _Traveller
    tick: int
    at_us: int
    answers: bytes | None = None
    reason: str = ""


def _read(wire: _Wire) -> Receipt:
    one = wire.traveller
    blob = None if one.blob is None else BlobId(one.blob)
    who = Who(one.origin, one.soul)
    return Receipt(
        kind=wire.kind,
        universe=wire.universe,
        other=wire.other,
        gate=wire.gate,
        epoch=wire.epoch,
        seq=wire.seq,
        prev=wire.prev,
        migration=wire.migration,
        passage=wire.passage,
        traveller=Traveller(who, one.hash, one.size, one.format, one.inline, blob),
        tick=wire.tick,
        at_us=wire.at_us,
        answers=wire.answers,
        reason=wire.reason,
    )


def _said(receipt: Receipt) -> dict[str, Any]:
    one = receipt.traveller
    traveller: dict[str, Any] = {
        "origin": one.who.origin,
        "soul": one.who.soul,
        "hash": one.hash,
        "size": one.size,
        "format": one.format,
    }
    traveller |= {} if one.inline is None else {"inline": one.inline}
    traveller |= {} if one.blob is None else {"blob": bytes(one.blob)}
    said: dict[str, Any] = {
        "kind": receipt.kind,
        "universe": receipt.universe,
        "other": receipt.other,
        "gate": receipt.gate,
        "epoch": receipt.epoch,
        "seq": receipt.seq,
        "prev": receipt.prev,
        "migration": receipt.migration,
        "passage": receipt.passage,
        "traveller": traveller,
        "tick": receipt.tick,
        "at_us": receipt.at_us,
    }
    said |= {} if receipt.answers is None else {"answers": receipt.answers}
    return said | ({"reason": receipt.reason} if receipt.reason else {})


def _wrong(receipt: Receipt) -> str | None:
    """Why readers refuse it, or None."""
    if receipt.kind not in KINDS:
        return f"a kind {quoted(receipt.kind)}, none of {', '.join(KINDS)}"
    for what, number, least, most in (
        ("tick", receipt.tick, 0, TICK_MAX),
        ("time", receipt.at_us, 0, TIME_US_MAX),
        ("epoch", receipt.epoch, 1, SEQ_MAX),
        ("number", receipt.seq, 1, SEQ_MAX),
    ):
        if not least <= number <= most:
            return f"a {what} of {quoted(str(number))}"
    if len(receipt.prev) != DIGEST_BYTES or len(receipt.answers or NO_RECEIPT) != DIGEST_BYTES:
        return f"a receipt is named by {DIGEST_BYTES} bytes"
    if len(receipt.gate) != KEY_BYTES:
        return f"a gate is a key of {KEY_BYTES} bytes"
    if len(receipt.migration) != MIGRATION_BYTES:
        return f"a migration is named by {MIGRATION_BYTES} bytes"
    if (receipt.seq == 1) != (receipt.prev == NO_RECEIPT):
        return "only the first receipt of a universe has none before it"
    if (receipt.answers is None) != (receipt.kind == DEPARTURE):
        return f"a {receipt.kind} that {'answers' if receipt.answers else 'answers nothing'}"
    if receipt.reason and receipt.kind != REFUSAL:
        return "a reason that refuses nothing"
    if len(receipt.reason) > REASON_CHARACTERS_MAX:
        return f"a reason of {len(receipt.reason)} characters, at most {REASON_CHARACTERS_MAX}"
    if receipt.universe == receipt.other:
        return "a way from a universe to itself"
    return (
        unsafe_line(receipt.reason)
        or _wrong_names(receipt)
        or _wrong_traveller(receipt.traveller, with_bytes=receipt.kind == DEPARTURE)
    )


def _wrong_names(receipt: Receipt) -> str | None:
    try:
        for name in (
            receipt.universe,
            receipt.other,
            receipt.passage,
            receipt.traveller.who.origin,
        ):
            parse_full_name(name)
    except InvalidName as wrong:
        return wrong.detail
    return None


def _wrong_traveller(one: Traveller, *, with_bytes: bool) -> str | None:
    soul = one.who.soul
    if not soul.strip() or len(soul) > SOUL_CHARACTERS_MAX:
        return f"a soul of {len(soul)} characters, 1 to {SOUL_CHARACTERS_MAX}"
    if not FORMAT.fullmatch(one.format):
        return f"a format {quoted(one.format)}"
    if {len(one.hash), len(one.blob or NO_RECEIPT)} != {DIGEST_BYTES}:
        return f"a hash and a blob have {DIGEST_BYTES} bytes"
    if not 0 < one.size <= BLOB_BYTES_MAX:
        return f"a traveller of {one.size} bytes"
    if with_bytes != (one.inline is not None or one.blob is not None) or (
        one.inline is not None and one.blob is not None
    ):
        return "a departure has its traveller's bytes or their blob, and nothing else has them"
    if one.inline is not None:
        if len(one.inline) > INLINE_BYTES_MAX:
            return f"{len(one.inline)} bytes of a traveller within a receipt"
        if (len(one.inline), blake3(one.inline).digest()) != (one.size, one.hash):
            return "the traveller's bytes are not those that it is named by"
    return unsafe_line(soul)


_FORM: Final = Form("a receipt", TYPE, _Wire, RECEIPT_BYTES_MAX, _said, _read, _wrong)
