"""A passage between two universes: two records with one id, of the two owners.

```
class pub, kind passage, record = the passage's id as text       head and tags: see `registry.head`
body  source, target          full names of the universes, did/id
      type                    thread | bridge | gate | confluence
      stability               0 … 100, as its owner says; 100 where it is absent
      maintained_us, every_us     when somebody last looked after it, and how often one means to
      arrivals                accept | ask | refuse: what the owner's gates do with who comes
      closed                  true: this half is closed
      proposal?               full name of the other owner's passage, which this one accepts
      by                      free text: the player who made it
```
The first half proposes. The owner of the other universe accepts with a record of the same id that
names it and says the same ends and type; of two universes of one owner the one record is both. A
passage is open where both halves are there and neither is closed: nothing else decides it, so all
who hold the same records agree. One may travel it both ways.

It wears: each `every_us` that nobody looked after it takes a share of its stability, and at 0 one's
own gate sends nobody through it. The clock is one's own, for one's own sending: who is under way is
judged by what is signed alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import msgspec

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Editor, Scalar
from registry.deletion import undelete
from registry.edits import Edit
from registry.errors import InvalidName, MalformedRecord, Problem, quoted
from registry.fields import TIME_US_MAX, Plain, is_set, line_at, map_at, typed, whole_at
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
from storage.listing import Listing
from universe.gate import Verdict
from universe.names import parse_full_name, parse_universe_id
from universe.receipts import Checked

CLASS, KIND, WORD = "pub", "passage", "passage"
PREFIX: Final = "passage:"
Type: TypeAlias = Literal["thread", "bridge", "gate", "confluence"]
TYPES: Final = ("thread", "bridge", "gate", "confluence")
Arrivals: TypeAlias = Literal["accept", "ask", "refuse"]
ARRIVALS: Final = ("accept", "ask", "refuse")
STABILITY_MAX: Final = 100
INTERVALS_MAX: Final = 10
"""Missed ones that a passage bears: each takes one part in so many of what its owners say."""
BY_CHARACTERS_MAX: Final = 128
NAME_CHARACTERS_MAX: Final = 256
"""Of a full name: a did:key, a slash, an id of 128."""


class Half(msgspec.Struct, frozen=True, kw_only=True):
    """What one owner says of a passage."""

    author: str
    """did:key"""
    id: str
    source: str
    target: str
    type: str
    stability: int
    maintained_us: int
    every_us: int
    """0 for no interval."""
    arrivals: str
    is_closed: bool
    proposal: str
    """"" for the half that proposes."""
    by: str
    name: str
    created_us: int

    @property
    def full_name(self) -> str:
        return f"{self.author}/{self.id}"

    @property
    def ends(self) -> tuple[str, str, str]:
        return self.source, self.target, self.type


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage by the halves held. `accepted` is the other owner's, or the one of both."""

    proposed: Half
    accepted: Half | None

    @property
    def name(self) -> str:
        return self.proposed.full_name

    @property
    def is_open(self) -> bool:
        return (
            self.accepted is not None
            and not self.proposed.is_closed
            and not self.accepted.is_closed
        )

    @property
    def state(self) -> Literal["proposed", "open", "closed"]:
        if self.proposed.is_closed or (self.accepted is not None and self.accepted.is_closed):
            return "closed"
        return "proposed" if self.accepted is None else "open"

    @property
    def stability(self) -> int:
        """The lower of what its owners say."""
        least = self.proposed.stability
        return least if self.accepted is None else min(least, self.accepted.stability)

    @property
    def maintained_us(self) -> int:
        both = self.proposed.maintained_us
        return both if self.accepted is None else max(both, self.accepted.maintained_us)

    @property
    def every_us(self) -> int:
        """The shorter of the intervals that its owners mean to keep; 0 for none."""
        halves = [self.proposed] if self.accepted is None else [self.proposed, self.accepted]
        return min((one.every_us for one in halves if one.every_us), default=0)

    def stability_at(self, now_us: int) -> int:
        """What is left of its stability, 0 to 100, by a clock.

        Whoever of its owners looks after it does so for both.
        """
        if not self.every_us:
            return self.stability
        since_us = max(self.maintained_us, self.proposed.created_us)
        missed = max(0, now_us - since_us) // self.every_us
        return self.stability * max(0, INTERVALS_MAX - missed) // INTERVALS_MAX

    def leads(self, source: str, target: str) -> bool:
        """Whether one may travel so by it: either way."""
        return {source, target} == {self.proposed.source, self.proposed.target}

    def half_of(self, author: str) -> Half | None:
        """What this author says of it."""
        halves = (self.proposed, self.accepted)
        return next((one for one in halves if one is not None and one.author == author), None)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner says of a passage; None leaves what is there."""

    source: str | None = None
    target: str | None = None
    type: Type | None = None
    stability: int | None = None
    maintained_us: int | None = None
    every_us: int | None = None
    arrivals: Arrivals | None = None
    closed: bool | None = None
    proposal: str | None = None
    by: str | None = None


def say_passage(words: Words, said: Said, *, now_us: int) -> Edit:
    """Propose, accept, maintain or close: nothing changes where it is said already.

    Raises `InvalidRecord` that names every field which is wrong.
    """
    check_words(words)
    refuse(_problems(said))
    values: dict[str, Scalar] = msgspec.structs.asdict(said)

    def edit(editor: Editor) -> None:
        undelete()(editor)
        is_changed = put_head(editor, words, now_us=now_us)
        if put_all(editor, "body", values) or is_changed:
            touch(editor, now_us)

    return edit


def half_of(document: DocumentId, value: Plain) -> Half:
    """Raises `MalformedRecord`, whatever the value is."""
    if (document.cls, document.kind) != (CLASS, KIND):
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, no {WORD}")
    head, body = head_of(value), map_at(value, "body")
    try:
        id = parse_universe_id(document.record.decode(), WORD)
        source, target = (typed(body.get(key), str, key) for key in ("source", "target"))
        parse_full_name(source)
        parse_full_name(target)
        proposal = line_at(body, "proposal", NAME_CHARACTERS_MAX)
        if proposal:
            parse_full_name(proposal, WORD)
    except (UnicodeDecodeError, InvalidName) as wrong:
        raise MalformedRecord(f"a passage: {wrong}") from wrong
    type, arrivals = line_at(body, "type", 16), line_at(body, "arrivals", 16)
    if type not in TYPES or (arrivals or "accept") not in ARRIVALS:
        raise MalformedRecord(f"a passage of type {quoted(type)}, arrivals {quoted(arrivals)}")
    if source == target:
        raise MalformedRecord("a passage from a universe to itself")
    return Half(
        author=encode_did_key(document.subspace),
        id=id,
        source=source,
        target=target,
        type=type,
        stability=whole_at({"stability": STABILITY_MAX, **body}, "stability", STABILITY_MAX),
        maintained_us=whole_at(body, "maintained_us", TIME_US_MAX),
        every_us=whole_at(body, "every_us", TIME_US_MAX),
        arrivals=arrivals or "accept",
        is_closed=is_set(body, "closed"),
        proposal=proposal,
        by=line_at(body, "by", BY_CHARACTERS_MAX),
        name=head.name,
        created_us=head.created_us,
    )


def passage_listing(document: DocumentId, value: Plain) -> Listing:
    """As lists and search show it. Raises `MalformedRecord`."""
    half, head = half_of(document, value), head_of(value)
    return Listing(
        kind=WORD,
        author=half.author,
        record=half.id,
        name=half.name or half.id,
        description=head.description,
        tags=head.tags,
        text="\n".join((half.source, half.target, half.by)),
        created_us=head.created_us,
        updated_us=head.updated_us,
        fields=msgspec.json.encode(half),
    )


_LISTED: Final = msgspec.json.Decoder(Half)


def listed_half(fields: bytes) -> Half:
    """What `passage_listing` kept of it: our own JSON."""
    return _LISTED.decode(fields)


def passages_of(halves: Iterable[Half]) -> list[Passage]:
    """All that these propose, joined with what accepts them; by name. Pure."""
    held = {one.full_name: one for one in halves}
    found: list[Passage] = []
    for name, half in sorted(held.items()):
        owners = {parse_full_name(one)[0] for one in (half.source, half.target)}
        if half.proposal or half.author not in owners:
            continue  # whoever owns neither end has nothing to propose
        if len(owners) == 1:
            found.append(Passage(half, half))
            continue
        (other,) = owners - {half.author}
        answer = held.get(f"{other}/{half.id}")
        fits = answer is not None and answer.proposal == name and answer.ends == half.ends
        found.append(Passage(half, answer if fits else None))
    return found


def judge_arrival(departure: Checked, passage: Passage | None, *, is_suspect: bool) -> Verdict:
    """What the gate of the universe that it leads to does with it.

    `passage` is the one that the departure names, by the halves held; `is_suspect`: the gate that
    sent it signed two receipts with one number, so the traveller may be elsewhere as well.
    """
    said = departure.receipt
    owner = parse_full_name(said.other)[0]
    half = None if passage is None else passage.half_of(owner)
    if passage is None or half is None or not passage.leads(said.universe, said.other):
        # No honest gate sends so; to refuse them all would let others fill this chain.
        return Verdict("wait", "this owner agreed to no such passage")
    if not passage.is_open:
        return Verdict("refuse", "the passage is closed")
    if is_suspect:
        return Verdict("ask", "its gate signed two receipts with one number")
    match half.arrivals:
        case "refuse":
            return Verdict("refuse", "nobody is let in")
        case "ask":
            return Verdict("ask")
        case _:
            return Verdict("accept")


def _problems(said: Said) -> list[Problem]:
    problems: list[Problem] = []
    for key, name in (("source", said.source), ("target", said.target)):
        if name is not None:
            try:
                parse_full_name(name)
            except InvalidName as wrong:
                problems.append(Problem(f"/{key}", wrong.detail))
    if said.source is not None and said.source == said.target:
        problems.append(Problem("/target", "is the same universe"))
    if said.stability is not None and not 0 <= said.stability <= STABILITY_MAX:
        problems.append(Problem("/stability", f"is {said.stability}, not 0 to {STABILITY_MAX}"))
    for key, number in (("maintained_us", said.maintained_us), ("every_us", said.every_us)):
        if number is not None and not 0 <= number <= TIME_US_MAX:
            problems.append(Problem(f"/{key}", f"is {number}"))
    if problem := line_problem(said.by or "", BY_CHARACTERS_MAX):
        problems.append(Problem("/by", problem))
    return problems
