"""Which device is the gate of a universe: hand-overs, one for each epoch.

```
statement = canonical CBOR {
  "type": "panspermia.gate/1", "universe": did/id,
  "epoch": 1 …, "gate": key of the device, 32 bytes,
  "before": id of the hand-over of the epoch before, 32 zero bytes in the first,
  "last": [seq, id] of the last receipt that counts of the epoch before, [0, zeros] where none does,
  "by": key of the device of the owner that signs it, "at_us": µs since 1970
}
signature = Ed25519 of the statement by that device
```
It lies in the universe's document, so what makes it the owner's is what makes any change the
owner's. Of several after one hand-over the one stands on whose receipts gates of more other authors
built, on a tie that of the smallest id: two devices of one owner that take the gate while apart
agree as soon as they meet, and what others answered stays.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from crdt.digest import DIGEST_BYTES
from crdt.ed25519 import SigningKey
from crdt.keys import KEY_BYTES
from registry.errors import InvalidName, quoted
from registry.fields import TIME_US_MAX
from universe.names import parse_full_name
from universe.receipts import NO_RECEIPT, SEQ_MAX, Signed
from universe.statement import Form

TYPE: Final = "panspermia.gate/1"
HAND_OVER_BYTES_MAX: Final = 512
EPOCHS_MAX: Final = 256
"""Of one universe: a gate is handed over when a device is lost, not every day."""


@dataclass(frozen=True, slots=True)
class Last:
    """A place in the chain of a universe: the receipt there, or the beginning."""

    seq: int = 0
    id: bytes = NO_RECEIPT


BEGINNING: Final = Last()


@dataclass(frozen=True, slots=True)
class HandOver:
    """From `epoch` on `gate` signs, after `last`."""

    universe: str
    epoch: int
    gate: bytes
    by: bytes
    before: bytes = NO_RECEIPT
    last: Last = BEGINNING
    at_us: int = 0


@dataclass(frozen=True, slots=True)
class CheckedHandOver:
    """One whose signature was verified."""

    id: bytes
    hand_over: HandOver


def sign_hand_over(hand_over: HandOver, device: SigningKey) -> Signed:
    """By the device that it names. Raises `InvalidStatement` where it cannot be said."""
    assert device.public == hand_over.by
    statement = _FORM.encode(hand_over)
    return Signed(statement, device.sign(statement))


def decode_hand_over(statement: bytes) -> HandOver:
    """What was signed. Raises `InvalidStatement` for anything that is not exactly a hand-over."""
    return _FORM.decode(statement)


def check_hand_over(signed: Signed) -> CheckedHandOver:
    """What it says, if the device that it names signed it. Raises `InvalidStatement`."""
    hand_over = decode_hand_over(signed.statement)
    _FORM.check(signed.statement, signed.signature, hand_over.by)
    return CheckedHandOver(signed.id, hand_over)


def gates_of(
    held: Iterable[CheckedHandOver], votes: Mapping[bytes, Collection[str]]
) -> tuple[CheckedHandOver, ...]:
    """Those of one universe that stand, by epoch from 1. At most `EPOCHS_MAX`.

    `votes`: hand-over → other authors who answered what was signed under it, or after it.
    """
    after: dict[bytes, list[CheckedHandOver]] = defaultdict(list)
    for one in held:
        after[one.hand_over.before].append(one)
    standing: list[CheckedHandOver] = []
    before = NO_RECEIPT
    while len(standing) < EPOCHS_MAX:
        epoch = len(standing) + 1
        next_ones = [one for one in after.get(before, ()) if one.hand_over.epoch == epoch]
        if not next_ones:
            break
        chosen = min(next_ones, key=lambda one: (-len(votes.get(one.id, ())), one.id))
        standing.append(chosen)
        before = chosen.id
    return tuple(standing)


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    universe: str
    epoch: int
    gate: bytes
    by: bytes
    before: bytes
    last: tuple[int, bytes]
    at_us: int


def _read(wire: _Wire) -> HandOver:
    last = Last(*wire.last)
    return HandOver(wire.universe, wire.epoch, wire.gate, wire.by, wire.before, last, wire.at_us)


def _said(one: HandOver) -> dict[str, Any]:
    return {
        "universe": one.universe,
        "epoch": one.epoch,
        "gate": one.gate,
        "by": one.by,
        "before": one.before,
        "last": [one.last.seq, one.last.id],
        "at_us": one.at_us,
    }


def _wrong(one: HandOver) -> str | None:
    """Why readers refuse it, or None."""
    if not 1 <= one.epoch <= EPOCHS_MAX:
        return f"an epoch of {quoted(str(one.epoch))}, 1 to {EPOCHS_MAX}"
    if not 0 <= one.last.seq <= SEQ_MAX or not 0 <= one.at_us <= TIME_US_MAX:
        return "a number or a time out of range"
    if {len(one.gate), len(one.by)} != {KEY_BYTES}:
        return f"a gate and a device are keys of {KEY_BYTES} bytes"
    if {len(one.before), len(one.last.id)} != {DIGEST_BYTES}:
        return f"a hand-over and a receipt are named by {DIGEST_BYTES} bytes"
    if (one.epoch == 1) != (one.before == NO_RECEIPT):
        return "only the first hand-over has none before it"
    if (one.last.seq == 0) != (one.last.id == NO_RECEIPT):
        return "a last receipt has a number and an id, or neither"
    if one.epoch == 1 and one.last != BEGINNING:
        return "before the first epoch no receipt counts"
    try:
        parse_full_name(one.universe)
    except InvalidName as wrong:
        return wrong.detail
    return None


_FORM: Final = Form("a hand-over", TYPE, _Wire, HAND_OVER_BYTES_MAX, _said, _read, _wrong)
