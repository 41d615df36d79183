"""A lineage's record: a line of descent, how far it came, and whom it is remembered for.

```
class pub, kind lin, record = the lineage's id as text, mostly a UUID  head and tags: see `head.py`
body  civilization_level, is_extinct, start_tick, by                   as the Galactic Federation
      best_genotype                                                    a genome's hash, or nothing
      parent                                                           the id of a lineage, or ""
      legends                                                          CBOR [[tick, reason, hash]]
```
Documents come from strangers: `lineage_of` raises `MalformedRecord` and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from crdt import cbor
from crdt.change import DocumentId
from crdt.digest import DIGEST_BYTES
from crdt.document import Scalar
from crdt.errors import Malformed
from registry.content import is_identity
from registry.edits import Edit
from registry.errors import InvalidName, MalformedRecord, Problem, quoted
from registry.fields import Plain, is_set, line_at, typed, unsafe_line, whole_at
from registry.head import Head, Words, line_problem, refuse
from registry.life import (
    COUNT_MAX,
    TICK_MAX,
    author_problems,
    check_kind,
    count_problems,
    listing_of,
    publish,
    said_of,
)
from registry.published import Published
from storage.listing import Listing

CLASS, KIND, WORD = "pub", "lin", "lineage"

ID_BYTES_MAX: Final = 128
"""With a did:key and a slash it fits the record of a rating."""
LEGENDS_MAX: Final = 64
LEGENDS_BYTES_MAX: Final = 12 * 1024
REASON_CHARACTERS_MAX: Final = 200


class Legend(msgspec.Struct, frozen=True):
    """One of a lineage that is remembered, and why. `genome`: 64 hex digits, or none."""

    tick: int
    reason: str
    genome: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What an author says of a lineage; None leaves what is there.

    `best_genotype`: the identity of a genome, b"" for none.
    """

    by: str | None = ""
    civilization_level: int | None = 0
    is_extinct: bool | None = False
    start_tick: int | None = 0
    best_genotype: bytes | None = b""
    parent: str | None = ""
    legends: tuple[Legend, ...] | None = ()


class Lineage(Published, frozen=True, kw_only=True, omit_defaults=True):
    """A lineage as people see it; the Hall of Fame is of these."""

    civilization_level: int
    is_extinct: bool
    start_tick: int
    best_genotype: str | None
    parent: str | None
    legends: tuple[Legend, ...]


def parse_lineage_id(text: str) -> str:
    """`text` itself, if a lineage may be called so. Raises `InvalidName`."""
    if not text or len(text.encode(errors="replace")) > ID_BYTES_MAX:
        raise InvalidName(f"{quoted(text)} is no id of a lineage: 1 to {ID_BYTES_MAX} bytes")
    if why := "holds a slash" if "/" in text else unsafe_line(text):
        raise InvalidName(f"{quoted(text)} is no id of a lineage: it {why}")
    return text


def publish_lineage(words: Words, facts: Facts, *, now_us: int, anonymous: bool = False) -> Edit:
    """Say this of the lineage, or say it anew; nothing changes where it is said already.

    `now_us`: µs since 1970. Raises `InvalidRecord` that names every field which is wrong.
    """
    refuse(facts_problems(facts))
    values: dict[str, Scalar] = {
        "by": facts.by,
        "civilization_level": facts.civilization_level,
        "is_extinct": facts.is_extinct,
        "start_tick": facts.start_tick,
        "best_genotype": facts.best_genotype,
        "parent": facts.parent,
        "legends": None if facts.legends is None else encode_legends(facts.legends),
        "anonymous": anonymous,
    }
    return publish(words, values, now_us=now_us)


def encode_legends(legends: tuple[Legend, ...]) -> bytes:
    """b"" for none."""
    rows = [[one.tick, one.reason, bytes.fromhex(one.genome or "")] for one in legends]
    return cbor.encode(rows) if rows else b""


def facts_problems(facts: Facts) -> list[Problem]:
    problems = count_problems("civilization_level", facts.civilization_level, COUNT_MAX)
    problems += count_problems("start_tick", facts.start_tick, TICK_MAX)
    problems += author_problems(facts.by)
    if facts.best_genotype and len(facts.best_genotype) != DIGEST_BYTES:
        problems.append(Problem("/best_genotype", "is no id of a genome: 64 hex digits"))
    if facts.parent:
        try:
            parse_lineage_id(facts.parent)
        except InvalidName as error:
            problems.append(Problem("/parent", error.detail))
    return problems + _legend_problems(facts.legends or ())


def _legend_problems(legends: tuple[Legend, ...]) -> list[Problem]:
    if len(legends) > LEGENDS_MAX:
        return [Problem("/legends", f"{len(legends)} legends, at most {LEGENDS_MAX}")]
    problems: list[Problem] = []
    for place, one in enumerate(legends):
        if problem := line_problem(one.reason, REASON_CHARACTERS_MAX):
            problems.append(Problem(f"/legends/{place}/reason", problem))
        if not 0 <= one.tick <= TICK_MAX:
            problems.append(Problem(f"/legends/{place}/tick", f"is {one.tick}"))
        if one.genome is not None and not is_identity(one.genome):
            problems.append(Problem(f"/legends/{place}/genome", "is no 64 hex digits"))
    if not problems and (size := len(encode_legends(legends))) > LEGENDS_BYTES_MAX:
        problems.append(Problem("/legends", f"{size} bytes, at most {LEGENDS_BYTES_MAX}"))
    return problems


def lineage_of(document: DocumentId, value: Plain) -> Lineage:
    """The lineage as people see it. Raises `MalformedRecord`."""
    return _read(document, value)[0]


def lineage_listing(document: DocumentId, value: Plain) -> Listing:
    """Its row in lists and search. Raises `MalformedRecord`."""
    lineage, head = _read(document, value)
    reasons = " ".join(one.reason for one in lineage.legends)
    more = (lineage.author, lineage.parent or "", reasons)
    return listing_of(
        WORD,
        lineage,
        head,
        more,
        score=float(lineage.civilization_level),
        tick=lineage.start_tick,
    )


def _read(document: DocumentId, value: Plain) -> tuple[Lineage, Head]:
    check_kind(document, CLASS, KIND, WORD)
    try:
        id = parse_lineage_id(document.record.decode())
    except (UnicodeDecodeError, InvalidName) as error:
        raise MalformedRecord(f"a lineage under a record that is no id: {error}") from error
    said, head, body = said_of(document, value, id)
    lineage = Lineage(
        id=id,
        **said,
        civilization_level=whole_at(body, "civilization_level", COUNT_MAX),
        is_extinct=is_set(body, "is_extinct"),
        start_tick=whole_at(body, "start_tick", TICK_MAX),
        best_genotype=_hash(typed(body.get("best_genotype", b""), bytes, "best_genotype")),
        parent=_parent(body),
        legends=tuple(_legends(body)),
    )
    return lineage, head


def _parent(body: Plain) -> str | None:
    text = line_at(body, "parent", ID_BYTES_MAX)
    try:
        return parse_lineage_id(text) if text else None
    except InvalidName as error:
        raise MalformedRecord(f"a parent: {error.detail}") from error


def _legends(body: Plain) -> Iterator[Legend]:
    encoded = typed(body.get("legends", b""), bytes, "legends")
    if not encoded:
        return
    try:
        rows = cbor.decode(encoded, bytes_max=LEGENDS_BYTES_MAX, depth_max=2)
        read = msgspec.convert(rows, list[tuple[int, str, bytes]])
    except (Malformed, msgspec.ValidationError) as error:
        raise MalformedRecord(f"its legends cannot be read: {error}") from error
    if len(read) > LEGENDS_MAX:
        raise MalformedRecord(f"{len(read)} legends, at most {LEGENDS_MAX}")
    for tick, reason, genome in read:
        if not 0 <= tick <= TICK_MAX or line_problem(reason, REASON_CHARACTERS_MAX):
            raise MalformedRecord(f"a legend {quoted(reason)} of tick {quoted(str(tick))}")
        yield Legend(tick, reason, _hash(genome))


def _hash(value: bytes) -> str | None:
    if value and len(value) != DIGEST_BYTES:
        raise MalformedRecord(f"the hash of a genome of {len(value)} bytes")
    return value.hex() or None
