"""What a gate keeps in the document of its universe, under the root `gate`.

```
"e" 8 hex digits of the epoch "-" 16 of the id     a hand-over:   CBOR [statement, signature]
    8 hex digits of seq       "-" 16 of the id     a receipt:     CBOR [statement, signature]
"recall-" 64 hex digits of a departure's id        true: this universe wants that traveller back
"lost-" full name of another universe              a place in its chain: see `behind.py`
body/gate                                          key of the gate of the newest epoch, to show
```
With the id in the key two receipts of one number are two keys: neither hides the other. What cannot
be read, or speaks of another universe, is as if it were not there.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.digest import DIGEST_BYTES
from crdt.document import Editor
from registry.edits import Edit
from registry.errors import CannotTravel, InvalidStatement, UniverseFull
from registry.fields import Plain
from registry.head import touch
from registry.plain import as_map
from storage.listing import NamedBlob
from universe.gates import CheckedHandOver, check_hand_over
from universe.receipts import (
    DEPARTURE,
    Checked,
    Receipt,
    Signed,
    check_receipt,
    decode_receipt,
    decode_signed,
    encode_signed,
)
from universe.room import EPOCH, LOST, Held

ROOT: Final = "gate"
RECALL: Final = "recall-"
ID_DIGITS: Final = 16
LARGE_MAX: Final = 512
"""Travellers of a universe that left as blobs: 4 GiB at most, kept as long as their departures."""
_HAS_BLOB: Final = b"\x64blob"
"""In CBOR the name of the field: what has it not, names none."""
READ_MAX: Final = 1_024
"""Verified statements that are remembered: with the largest travellers some 70 MB."""
SMALL_MAX: Final = 16_384
"""Of those that are short, as without bytes of a traveller most are: more than one gate has at the
most, so that who reads a long line page by page verifies it once. Some 40 MB where all are used."""
SMALL_BYTES_MAX: Final = 1_024


@dataclass(frozen=True, slots=True)
class GateBook:
    """What one document says."""

    receipts: tuple[Checked, ...] = ()
    hand_overs: tuple[CheckedHandOver, ...] = ()
    recalled: frozenset[bytes] = frozenset()
    """Ids of departures."""
    given_up: Mapping[str, int] = field(default_factory=dict[str, int])
    """Other universe → place in its chain up to which it answers what is lost here for good."""
    room: Held | None = None
    """Of its document; None where that is not here."""


def name_of(document: DocumentId) -> str:
    """did/id of the universe whose document that is."""
    return f"{encode_did_key(document.subspace)}/{document.record.decode(errors='replace')}"


def gatebook_of(document: DocumentId, value: Plain) -> GateBook:
    """All in it that its gates and devices signed of this universe. Never raises.

    Each statement is verified once (70 µs), as long as it is remembered.
    """
    name, fields = name_of(document), as_map(value.get(ROOT)) or {}
    receipts: list[Checked] = []
    hand_overs: list[CheckedHandOver] = []
    recalled: set[bytes] = set()
    given_up: dict[str, int] = {}
    for key, data in fields.items():
        if key.startswith(RECALL):
            recalled |= {id for id in (_departure_of(key),) if id is not None and data is True}
        elif key.startswith(LOST) and type(data) is int:
            given_up[key.removeprefix(LOST)] = data
        elif type(data) is bytes:
            said = _read(data, key.startswith(EPOCH))
            if isinstance(said, Checked) and said.receipt.universe == name:
                receipts.append(said)
            elif isinstance(said, CheckedHandOver) and said.hand_over.universe == name:
                hand_overs.append(said)
    room = Held.in_value(value)
    return GateBook(tuple(receipts), tuple(hand_overs), frozenset(recalled), given_up, room)


def votes_of(document: DocumentId, value: Plain, about: Collection[bytes]) -> tuple[GateBook, int]:
    """Of `gatebook_of` the hand-overs, and for each of `about` one receipt of a gate of these that
    answers it; and how many statements were looked into for that, which is all. Never raises.

    What answers nothing of that is not verified: whoever is named in many receipts need not be read
    whole for each.
    """
    name, fields = name_of(document), as_map(value.get(ROOT)) or {}
    said = {key: data for key, data in fields.items() if type(data) is bytes}
    each = [_read(data, is_hand_over=True) for key, data in said.items() if key.startswith(EPOCH)]
    hand_overs = tuple(
        one for one in each if isinstance(one, CheckedHandOver) and one.hand_over.universe == name
    )
    keys, answers = {one.hand_over.gate for one in hand_overs}, dict[bytes, Checked]()
    for key, data in said.items():
        answered = None if key.startswith(EPOCH) else _answered(data)
        if answered is None or answered not in about or answered in answers:
            continue
        one = _read(data, is_hand_over=False)
        if isinstance(one, Checked) and one.receipt.universe == name and one.receipt.gate in keys:
            answers[answered] = one
    return GateBook(tuple(answers.values()), hand_overs), len(said)


def travelling_blobs(
    document: DocumentId, value: Plain
) -> tuple[tuple[NamedBlob, ...], dict[bytes, bytes]]:
    """Blobs that are travellers in departures of that universe: its record needs them.

    And those for which its list has no place, with what says each: a gate sends no more, but
    devices that were apart may have, or signed two receipts with one number.
    """
    name, fields = name_of(document), as_map(value.get(ROOT)) or {}
    found: list[tuple[Receipt, bytes]] = []
    for key, data in fields.items():
        if type(data) is bytes and _HAS_BLOB in data and not key.startswith(EPOCH):
            said = _read(data, is_hand_over=False)
            if isinstance(said, Checked) and said.receipt.universe == name:
                found.append((said.receipt, data))
    found.sort(key=lambda one: (one[0].epoch, one[0].seq))
    named = {
        one.traveller.blob: (
            NamedBlob(one.traveller.blob.hex(), one.traveller.size, one.at_us),
            data,
        )
        for one, data in found
        if one.traveller.blob is not None
    }
    listed = tuple(one for one, _ in named.values())[:LARGE_MAX]
    beyond = dict[bytes, bytes]((blob, data) for blob, (_, data) in [*named.items()][LARGE_MAX:])
    return listed, beyond


def put_receipts(
    signed: Iterable[Signed],
    *,
    now_us: int,
    returned: Collection[bytes] = (),
    hand_over: bytes | None = None,
) -> Edit:
    """Write these down, all of them in one change.

    `hand_over`: id of that by which this gate signs; None where nobody can hand it over meanwhile.
    `returned`: departures whose travellers are back by these. That they were called back is dropped
    with it, so that there is room for the return wherever there was for the call, however full.
    Raises `CannotTravel` where the gate was handed over or their numbers are taken by it, as
    something was written meanwhile, and where the universe is full (`gate-full`).
    """
    entries = [(check_receipt(one), encode_signed(one)) for one in signed]
    is_begun = any(one.receipt.kind == DEPARTURE for one, _ in entries)

    def edit(editor: Editor) -> None:
        if hand_over is not None and _is_followed(editor, hand_over, entries[0][0]):
            raise CannotTravel("another device took the gate meanwhile", "number-taken")
        calls = [f"{RECALL}{one.hex()}" for one in returned]
        calls = [key for key in calls if editor.get((ROOT, key)) is not None]
        for key in calls:
            editor.delete((ROOT, key))
        if len(entries) > len(calls):
            _check_room(editor, len(entries), is_begun=is_begun)
        taken = defaultdict[str, list[str]](list)
        for key in editor.keys((ROOT,)):
            taken[key.partition("-")[0]].append(key)
        for one, data in entries:
            number = f"{one.receipt.seq:08x}"
            key = f"{number}-{one.id.hex()[:ID_DIGITS]}"
            others = (editor.get((ROOT, other)) for other in taken[number] if other != key)
            # Of another epoch they may be lost, or of a branch that fell, and a gate beside this
            # one is none: their numbers are given again.
            if (one.receipt.epoch, one.receipt.gate) in map(_by_whom, others):
                detail = f"the number {one.receipt.seq} was given to another receipt meanwhile"
                raise CannotTravel(detail, "number-taken")
            if editor.get((ROOT, key)) != data:
                editor.put((ROOT, key), data)
                touch(editor, now_us)

    return edit


def put_hand_over(
    signed: Signed, *, now_us: int, given_up: Mapping[str, int] | None = None
) -> Edit:
    """The gate of that hand-over is the gate from now on; without what is `given_up` with it.

    Raises `InvalidStatement`.
    """
    one, data = check_hand_over(signed), encode_signed(signed)
    key = f"{EPOCH}{one.hand_over.epoch:08x}-{one.id.hex()[:ID_DIGITS]}"

    def edit(editor: Editor) -> None:
        editor.put((ROOT, key), data)
        for other, place in (given_up or {}).items():
            if editor.get((ROOT, f"{LOST}{other}")) != place:
                editor.put((ROOT, f"{LOST}{other}"), place)
        editor.put(("body", "gate"), one.hand_over.gate)
        touch(editor, now_us)

    return edit


def put_recall(departure: bytes, *, now_us: int) -> Edit:
    """This universe wants it back: the other gate refuses it, if it has not answered yet."""
    key = f"{RECALL}{departure.hex()}"

    def edit(editor: Editor) -> None:
        if editor.get((ROOT, key)) is not True:
            _check_room(editor, 1, is_begun=False)
            editor.put((ROOT, key), True)
            touch(editor, now_us)

    return edit


def _check_room(editor: Editor, coming: int, *, is_begun: bool) -> None:
    """Raises `CannotTravel`. `is_begun`: by who sends somebody, else it answers or calls back."""
    held = Held.of(editor)
    try:
        if is_begun:
            held.check_for_departures(coming)
        else:
            held.check_for_answers(coming)
    except UniverseFull as full:
        raise CannotTravel(f"its gate signs no more, as {full}", "gate-full") from full


def _departure_of(key: str) -> bytes | None:
    try:
        id = bytes.fromhex(key.removeprefix(RECALL))
    except ValueError:
        return None
    return id if len(id) == DIGEST_BYTES and key == f"{RECALL}{id.hex()}" else None


def _is_followed(editor: Editor, hand_over: bytes, one: Checked) -> bool:
    """Whether the gate that signed this by that hand-over has handed over."""
    next_one = (one.receipt.universe, one.receipt.epoch + 1, hand_over)
    held = [editor.get((ROOT, key)) for key in editor.keys((ROOT,)) if key.startswith(EPOCH)]
    said = [_read(data, is_hand_over=True) for data in held if type(data) is bytes]
    later = [one.hand_over for one in said if isinstance(one, CheckedHandOver)]
    return next_one in [(one.universe, one.epoch, one.before) for one in later]


def _by_whom(data: object) -> tuple[int, bytes] | None:
    """(epoch, gate) of a receipt; nothing of it is verified."""
    try:
        held = decode_receipt(decode_signed(data).statement) if type(data) is bytes else None
    except InvalidStatement:
        return None
    return None if held is None else (held.epoch, held.gate)


def _read(data: bytes, is_hand_over: bool) -> Checked | CheckedHandOver | None:
    read = _read_small if len(data) <= SMALL_BYTES_MAX else _read_large
    return read(data, is_hand_over)


def _answered(data: bytes) -> bytes | None:
    """What a receipt says that it answers; nothing of it is verified."""
    try:
        return decode_receipt(decode_signed(data).statement).answers
    except InvalidStatement:
        return None


def _verified(data: bytes, is_hand_over: bool) -> Checked | CheckedHandOver | None:
    try:
        signed = decode_signed(data)
        return check_hand_over(signed) if is_hand_over else check_receipt(signed)
    except InvalidStatement:
        return None


_read_small = lru_cache(SMALL_MAX)(_verified)
_read_large = lru_cache(READ_MAX)(_verified)
