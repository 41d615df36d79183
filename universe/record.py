"""A universe's record: what it is, whose it is, and signed statements of its states.

```
class pub, kind uni, record = the universe's id as text          head and tags: see `registry.head`
body       owner, visibility, config (JSON), forked_from, retention, gate
snapshots  {hex id: CBOR [statement, signature, device]}         see `snapshot.py`
events     {hex id: canonical CBOR}                              see `event.py`
```
Bytes of states are blobs, never in the document. What a document holds by the thousand is read by
storage, one new piece at a time (`storage.listing.Parts`); lists know of it by their counts alone.
Documents come from strangers: `universe_of` raises `MalformedRecord` and nothing else, and a
snapshot or an event that cannot be read is as if it were not there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import msgspec

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Editor, Scalar
from crdt.keys import COMMONS
from registry.edits import Edit
from registry.errors import (
    InvalidName,
    MalformedRecord,
    Problem,
    UniverseFull,
    quoted,
)
from registry.fields import Plain, line_at, map_at, text_at
from registry.head import (
    Words,
    check_words,
    head_of,
    line_problem,
    put_all,
    put_head,
    refuse,
    touch,
)
from registry.plain import as_map
from registry.published import words_of
from storage.listing import Listing, Parts
from universe.event import event_id
from universe.gatebook import ROOT as GATE
from universe.gatebook import travelling_blobs
from universe.names import parse_full_name, parse_universe_id
from universe.parts import EVENTS_MAX, SNAPSHOTS_MAX, Origin, encode_origin, parts_of
from universe.room import GO_ON, LET_GO, Held
from universe.snapshot import (
    SignedSnapshot,
    encode_signed,
    verify_snapshot,
)

CLASS, KIND, WORD = "pub", "uni", "universe"
Visibility: TypeAlias = Literal["public", "shared", "private"]
OWNER_CHARACTERS_MAX: Final = 128
CONFIG_BYTES_MAX: Final = 16 * 1024
"""With a card of 20 KiB it fits one change."""
RETENTION_BYTES_MAX: Final = 2 * 1024


class Universe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A universe as people see it: the fields of multiverse clients, and ours beside them.

    Times are ms since 1970. What others count is put beside it when it is shown.
    """

    id: str
    name: str
    ownerId: str
    """The player whose it is, in free text; nobody vouches for it."""
    createdAt: int
    isPublic: bool
    canonicalEventCount: int
    forkOf: Origin | None = None
    config: msgspec.Raw | None = None
    """JSON, as its author gave it."""
    author: str
    """did:key of who signed it."""
    visibility: str
    description: str = ""
    tags: tuple[str, ...] = ()
    license: str = ""
    card: str = ""
    """Markdown."""
    updatedAt: int
    retention: str = ""
    """JSON: which snapshots are let go, and when."""
    gate: str = ""
    """Key of the device that lets travellers in and out, hex."""
    receiptCount: int | None = None
    """Of all that its gate keeps; None: it has none."""
    parent: str = ""
    """Full name of the universe that it was forked from."""

    @property
    def full_name(self) -> str:
        return f"{self.author}/{self.id}"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an author says of a universe; None leaves what is there."""

    owner: str | None = None
    visibility: Visibility | None = None
    config: str | None = None
    """JSON text of an object, "" for none."""
    retention: str | None = None
    """JSON text, "" for none."""


def create_universe(words: Words, facts: Facts, *, now_us: int) -> Edit:
    """Say this of the universe, or say it anew; nothing changes where it is said already.

    `now_us`: µs since 1970. Raises `InvalidRecord` that names every field which is wrong.
    """
    check_words(words)
    refuse(facts_problems(words, facts))
    values: dict[str, Scalar] = {
        "owner": facts.owner,
        "visibility": facts.visibility,
        "config": facts.config,
        "retention": facts.retention,
    }

    def edit(editor: Editor) -> None:
        is_changed = put_head(editor, words, now_us=now_us)
        if put_all(editor, "body", values) or is_changed:
            touch(editor, now_us)

    return edit


def fork_universe(
    words: Words, facts: Facts, parent: str, signed: SignedSnapshot, *, now_us: int
) -> Edit:
    """A new universe that begins with a snapshot of `parent` (`did/id`); nothing is copied.

    Raises `InvalidRecord`, `InvalidName`, `InvalidStatement`.
    """
    parse_full_name(parent)
    verify_snapshot(signed)
    create = create_universe(words, facts, now_us=now_us)
    origin = encode_origin(parent, signed)

    def edit(editor: Editor) -> None:
        create(editor)
        editor.put(("body", "forked_from"), origin)

    return edit


def facts_problems(words: Words, facts: Facts) -> list[Problem]:
    problems: list[Problem] = []
    if words.name is not None and not words.name.strip():
        problems.append(Problem("/name", "is empty: what is it called?"))
    if problem := line_problem(facts.owner or "", OWNER_CHARACTERS_MAX):
        problems.append(Problem("/ownerId", problem))
    for key, text, most in (
        ("config", facts.config, CONFIG_BYTES_MAX),
        ("retention", facts.retention, RETENTION_BYTES_MAX),
    ):
        if text and (wrong := _json_problem(text, most)):
            problems.append(Problem(f"/{key}", wrong))
    return problems


DROPPED_MAX: Final = 512
"""Snapshots let go in one act: each takes some 70 bytes of a change, which has 64,000 at most. As
many make room for what comes, whatever a gate has answered since the last save (`room`)."""


@dataclass(frozen=True, slots=True)
class Adding:
    """A state to add, with the event that it was taken for; `also_drop` in the same act.

    Of `also_drop` the first `DROPPED_MAX`.
    """

    signed: SignedSnapshot
    event: bytes | None = None
    also_drop: tuple[bytes, ...] = ()


def add_snapshot(
    signed: SignedSnapshot,
    event: bytes | None = None,
    *,
    now_us: int,
    also_drop: tuple[bytes, ...] = (),
) -> Edit:
    """One of them, as `add_snapshots`."""
    return add_snapshots([Adding(signed, event, also_drop)], now_us=now_us)


def add_snapshots(adding: Sequence[Adding], *, now_us: int) -> Edit:
    """Add states, one after the other, in one change. What is there already stays.

    Raises `UniverseFull` where one of them, or its event, has no room: of all of them.
    """
    encoded = [(one, encode_signed(one.signed)) for one in adding]

    def edit(editor: Editor) -> None:
        keys, held = set(editor.keys(("snapshots",))), Held.of(editor)
        for one, data in encoded:
            _add(editor, one, data, keys, held)
        touch(editor, now_us)

    return edit


def _add(editor: Editor, one: Adding, data: bytes, keys: set[str], held: Held) -> None:
    """`keys`: of the snapshots that are there, of which this becomes one."""
    key = one.signed.id.hex()
    dropped = {id.hex() for id in one.also_drop[:DROPPED_MAX]} & keys - {key}
    for gone in sorted(dropped):  # first: it makes the room
        editor.delete(("snapshots", gone))
    keys -= dropped
    held.snapshots = len(keys)
    if key not in keys:
        if len(keys) >= SNAPSHOTS_MAX:
            count = len(keys) + len(dropped)
            raise UniverseFull(f"{count:,} snapshots, at most {SNAPSHOTS_MAX:,}; {LET_GO}")
        held.check_for_snapshot()
        editor.put(("snapshots", key), data)
        keys.add(key)
        held.snapshots = len(keys)
    if one.event is not None:
        _put_event(editor, one.event, held)


def drop_snapshots(ids: tuple[bytes, ...], *, now_us: int) -> Edit:
    """Let these go: their bytes go with the next `gc`, unless something else names them.

    At most `DROPPED_MAX` in one act.
    """
    assert len(ids) <= DROPPED_MAX, "more do not fit one change"

    def edit(editor: Editor) -> None:
        found = {id.hex() for id in ids} & set(editor.keys(("snapshots",)))
        for key in sorted(found):
            editor.delete(("snapshots", key))
        if found:
            touch(editor, now_us)

    return edit


def add_event(event: bytes, *, now_us: int) -> Edit:
    """Add an event, as `encode_event` wrote it; nothing changes where it is there."""
    return add_events([event], now_us=now_us)


def add_events(events: Sequence[bytes], *, now_us: int) -> Edit:
    """Add them in one change. All or none: raises `UniverseFull` for the first without room."""

    def edit(editor: Editor) -> None:
        held = Held.of(editor)
        are_new = [_put_event(editor, event, held) for event in events]
        if any(are_new):
            touch(editor, now_us)

    return edit


def _put_event(editor: Editor, event: bytes, held: Held) -> bool:
    """Whether it was not there. Raises `UniverseFull`."""
    place = ("events", event_id(event).hex())
    if editor.get(place) == event:
        return False
    if held.events >= EVENTS_MAX:
        count = f"{held.events:,} events, at most {EVENTS_MAX:,}"
        raise UniverseFull(f"the universe is full of what happened: {count}; {GO_ON}")
    held.check_for_events(1)
    editor.put(place, event)
    held.events += 1
    return True


def universe_of(document: DocumentId, value: Plain) -> Universe:
    """The universe as people see it. Raises `MalformedRecord`."""
    return _read(document, value)[0]


def universe_listing(document: DocumentId, value: Plain) -> Listing:
    """Its row in lists and search, and its parts. Raises `MalformedRecord`."""
    universe, head_words, parts, created_us, updated_us = _read(document, value)
    travellers, beyond = travelling_blobs(document, value)
    return Listing(
        kind=WORD,
        author=universe.author,
        record=universe.id,
        name=universe.name,
        description=universe.description,
        tags=universe.tags,
        text=head_words,
        created_us=created_us,
        updated_us=updated_us,
        fields=msgspec.json.encode(universe),
        score=float(len(parts.snapshots)),
        parts=replace(parts, beyond={**parts.beyond, **beyond}),
        blobs=travellers,
    )


def _read(document: DocumentId, value: Plain) -> tuple[Universe, str, Parts, int, int]:
    if (document.cls, document.kind) != (CLASS, KIND):
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, not of a {WORD}")
    try:
        id = parse_universe_id(document.record.decode())
    except (UnicodeDecodeError, InvalidName) as wrong:
        raise MalformedRecord(f"the record of a universe: {wrong}") from wrong
    head, body = head_of(value), map_at(value, "body")
    owner = line_at(body, "owner", OWNER_CHARACTERS_MAX)
    parts, parent, origin = parts_of(value, body)
    is_public = document.namespace == COMMONS
    gate, kept = _key_at(body, "gate"), as_map(value.get(GATE))
    universe = Universe(
        id=id,
        name=head.name or id,
        ownerId=owner,
        createdAt=head.created_us // 1_000,
        isPublic=is_public,
        canonicalEventCount=len(parts.events),
        forkOf=origin,
        config=_config(body),
        author=encode_did_key(document.subspace),
        visibility="public" if is_public else _hidden(body),
        description=head.description,
        tags=head.tags,
        license=head.license,
        card=head.card,
        updatedAt=head.updated_us // 1_000,
        retention=_json_at(body, "retention", RETENTION_BYTES_MAX),
        gate=gate,
        receiptCount=len(kept or {}) if gate or kept else None,
        parent=parent,
    )
    return universe, words_of(head, id, owner), parts, head.created_us, head.updated_us


def _hidden(body: Plain) -> str:
    said = line_at(body, "visibility", OWNER_CHARACTERS_MAX)
    return said if said in ("shared", "private") else "shared"


def _config(body: Plain) -> msgspec.Raw | None:
    text = _json_at(body, "config", CONFIG_BYTES_MAX)
    return msgspec.Raw(text.encode()) if text else None


def _json_at(body: Plain, key: str, bytes_max: int) -> str:
    """JSON of an object, or "". Raises `MalformedRecord`."""
    text = text_at(body, key, bytes_max)
    if text and (wrong := _json_problem(text, bytes_max)):
        raise MalformedRecord(f"{key} {wrong}")
    return text


def _json_problem(text: str, bytes_max: int) -> str | None:
    """Why it is no JSON object that is handed on as it is, or None."""
    data = text.encode(errors="replace")
    if len(data) > bytes_max:
        return f"has {len(data)} bytes, at most {bytes_max}"
    try:
        given: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as wrong:
        return f"is no JSON: {wrong}"
    return None if isinstance(given, dict) else "is no JSON object"


def _key_at(body: Mapping[str, Any], key: str) -> str:
    said = body.get(key)
    if said is None:
        return ""
    if type(said) is not bytes or len(said) != 32:
        raise MalformedRecord(f"{key} {quoted(str(said))} is no key of a device")
    return said.hex()
