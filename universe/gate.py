"""The gate of a universe: what it signs next, of what it holds.

    a wish to send      ─▸ departure             only of a traveller that is here
    a departure to here ─▸ arrival | refusal     as the owner wants it, or the person who is asked;
                                                 by itself within the passage's share of the chain
    a refusal of ours   ─▸ return
    a wish to recall    ─▸ nothing here: the other gate refuses, if it has not answered yet

All of it is a function of the receipts held, its own among them. Whoever writes each receipt down
before anybody else sees it, and asks again after a crash, signs nothing twice: what was written is
answered, what was not was never said. So messages may be lost, repeated or come in any order.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from shlex import quote
from typing import Final, Literal, TypeAlias

from registry.errors import CannotTravel
from universe.gatebook import LARGE_MAX
from universe.gates import EPOCHS_MAX, HandOver, Last
from universe.lines import Line, Lines
from universe.receipts import (
    ARRIVAL,
    DEPARTURE,
    INLINE_BYTES_MAX,
    NO_RECEIPT,
    REFUSAL,
    RETURN,
    Checked,
    Receipt,
    Traveller,
    id_of,
)
from universe.room import ENDLESS, Places
from universe.shares import Shares, check_will_be_answered, returning
from universe.travel import In, InTransit, Place, Refused, answer_to, migration_of, place_of

ANSWERS_MAX: Final = 16
"""Signed in one go: the rest comes in the next."""
SENT_MAX: Final = 8_000
"""Receipts of a universe while its gate sends: its document has room for a thousand more, so
answers can be written when nobody is sent any more. See `universe.room`."""
SENT_BYTES_MAX: Final = 32 << 20
"""Of all travellers in departures of a universe: each reader of its document holds them."""
RECALLED: Final = "called back"

Word: TypeAlias = Literal["accept", "refuse", "ask", "wait"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a departure: `wait` for what is not held yet, `ask` a person."""

    word: Word
    reason: str = ""


Judge: TypeAlias = Callable[[Checked], Verdict]


@dataclass(frozen=True, slots=True)
class Wish:
    """A traveller is to go from here through a passage to `target`."""

    migration: bytes
    passage: str
    target: str
    traveller: Traveller


@dataclass(frozen=True, slots=True)
class Found:
    """For one gate: departures to it that are on their way, and refusals of its own."""

    coming: Iterable[Checked]
    refused: Iterable[Checked]


@dataclass(frozen=True, slots=True)
class Now:
    """When a gate signs: in the time of its universe, and by the clock."""

    tick: int
    at_us: int


def send(universe: str, key: bytes, wish: Wish, lines: Lines, now: Now) -> Receipt | Checked:
    """The departure to sign, or the one that was signed for this migration before.

    Raises `CannotTravel`.
    """
    line = gate_of(universe, key, lines)
    before = migration_of(wish.migration, universe, lines)
    if before is not None:
        if _is_of(wish, before.receipt):
            return before
        detail = f"the migration {wish.migration.hex()} was of another traveller or another way"
        raise CannotTravel(detail, "migration-exists")
    if wish.target == universe:
        raise CannotTravel("it is there already", "same-universe")
    place = place_of(wish.traveller.who, lines)
    if place != In(universe):
        raise CannotTravel(f"it is not here, but {where(place)}", "not-here")
    _check_room(line, wish.traveller)
    check_will_be_answered(line, wish.passage, wish.target, lines)
    return _next(
        line,
        Receipt(
            kind=DEPARTURE,
            universe=universe,
            other=wish.target,
            gate=key,
            epoch=1,
            seq=1,
            prev=NO_RECEIPT,
            migration=wish.migration,
            passage=wish.passage,
            traveller=wish.traveller,
            tick=now.tick,
            at_us=now.at_us,
        ),
    )


def due(
    universe: str,
    key: bytes,
    lines: Lines,
    now: Now,
    *,
    judge: Judge,
    recalled: Collection[bytes] = (),
    found: Found | None = None,
    places: Places = ENDLESS,
    most: int = ANSWERS_MAX,
) -> list[Receipt]:
    """What the gate has to sign now, in this order; so many `most`.

    Its own come back first, as `places` are held for them: who comes has the rest.

    `recalled` are departures whose own universe wants them back; `found`: who comes and who was
    refused, where it was looked for already. Of who comes, as many as the `shares` of their
    passages say. Raises `CannotTravel` where this device is not the gate, or lacks receipts of the
    one before.
    """
    line = gate_of(universe, key, lines)
    found = found or Found(coming(universe, lines), refused_of(universe, lines))
    back, for_others = returning(found.refused, recalled, places, most)
    signed = [_reply(one, RETURN, key, now) for one in back]
    shares = Shares(line.receipts, now.at_us)
    for said in signed:
        shares.count(said)
    most = min(most, len(signed) + for_others)
    for one in found.coming:
        if len(signed) >= most:
            break
        share = shares[one.receipt.passage]
        if not share.allows(accept=True):  # so nothing is: it need not be judged
            continue
        verdict = Verdict("refuse", RECALLED) if one.id in recalled else judge(one)
        is_let_in = verdict.word == "accept"
        if not is_let_in and verdict.word != "refuse":
            continue
        if share.allows(accept=is_let_in):
            signed.append(answer(one, verdict, key, now))
            shares.count(signed[-1])
    return _chained(line, signed)


def answer(departure: Checked, verdict: Verdict, key: bytes, now: Now) -> Receipt:
    """Arrival or refusal; its place in the chain is `_chained`'s to say."""
    if verdict.word == "accept":
        return _reply(departure, ARRIVAL, key, now)
    return _reply(departure, REFUSAL, key, now, verdict.reason)


def decide(
    universe: str, key: bytes, departure: Checked, verdict: Verdict, lines: Lines, now: Now
) -> Receipt | Checked:
    """What a person decided of one that came, or what was signed of it before.

    Raises `CannotTravel`.
    """
    line = gate_of(universe, key, lines)
    before = answer_to(departure, universe, lines, (ARRIVAL, REFUSAL))
    if before is not None:
        return before
    if place_of(departure.receipt.traveller.who, lines) != _on_its_way(departure):
        raise CannotTravel("nothing of that migration is on its way to here", "not-on-its-way")
    home = departure.receipt.universe
    if verdict.word == "accept" and departure in were_back(universe, home, lines):
        raise CannotTravel(f"it is home again, in {home}", "not-on-its-way")
    return _next(line, answer(departure, verdict, key, now))


def coming(universe: str, lines: Lines) -> Iterator[Checked]:
    """Departures to `universe` that it has not answered, by universe and number."""
    for name in lines.universes():
        yield from (one for one in unanswered(universe, name, lines) if is_coming(one, lines))


def refused_of(universe: str, lines: Lines) -> Iterator[Checked]:
    """Refusals of travellers from `universe` that have not come back to it yet."""
    for name in lines.universes():
        yield from (one for one in unreturned(universe, name, lines) if is_refused(one, lines))


def unanswered(universe: str, other: str, lines: Lines) -> Iterator[Checked]:
    """Departures of `other` to `universe` without an answer, by these two lines alone.

    Not all are of a traveller that was there: `is_coming` asks the lines of its whole story.
    """
    for one in lines[other].receipts:
        is_to_here = one.receipt.kind == DEPARTURE and one.receipt.other == universe
        if is_to_here and answer_to(one, universe, lines, (ARRIVAL, REFUSAL)) is None:
            yield one


def were_back(universe: str, other: str, lines: Lines) -> list[Checked]:
    """Departures of `other` to `universe` whose travellers it says to be back: they were refused.

    Whoever goes on without that refusal, as it is lost, refuses them once more and lets nobody in
    who is home: the call back is gone when they are.
    """
    back = {
        (one.receipt.migration, one.receipt.passage, one.receipt.traveller): one.receipt.seq
        for one in lines[other].receipts
        if one.receipt.kind == RETURN and one.receipt.other == universe
    }
    return [
        one
        for one in (unanswered(universe, other, lines) if back else ())
        if one.receipt.seq < back.get(_journey_of(one.receipt), 0)
    ]


def unreturned(universe: str, other: str, lines: Lines) -> Iterator[Checked]:
    """Refusals by `other` of what left `universe`, as `unanswered`; then `is_refused`.

    Of each departure the first answer only, as in its story: the rest is out of turn.
    """
    for one in lines[universe].receipts:
        if one.receipt.kind == DEPARTURE and one.receipt.other == other:
            said = answer_to(one, other, lines, (ARRIVAL, REFUSAL))
            if said is None or said.receipt.kind != REFUSAL:
                continue
            if answer_to(said, universe, lines, (RETURN,)) is None:
                yield said


def is_coming(departure: Checked, lines: Lines) -> bool:
    """Whether its traveller is on its way by it."""
    return place_of(departure.receipt.traveller.who, lines) == _on_its_way(departure)


def is_refused(refusal: Checked, lines: Lines) -> bool:
    """Whether its traveller is to come back by it."""
    place = place_of(refusal.receipt.traveller.who, lines)
    return isinstance(place, Refused) and place.refusal == refusal.id


def hand_over(
    universe: str, gate: bytes, by: bytes, lines: Lines, at_us: int, *, anyway: bool = False
) -> HandOver:
    """The one that makes `gate` the gate from now on, after all that counts here.

    `anyway`: also where receipts of the last gate are held that something is missing before.
    Raises `CannotTravel` where receipts that the hand-overs before name are missing.
    """
    line = lines[universe]
    if line.gate is None:
        return HandOver(universe, 1, gate, by, at_us=at_us)
    if not (anyway and line.is_whole):
        _check_whole(line)
    epoch = line.gate.hand_over.epoch + 1
    if epoch > EPOCHS_MAX:
        raise CannotTravel(f"a gate is handed over at most {EPOCHS_MAX} times", "too-many-gates")
    return HandOver(universe, epoch, gate, by, line.gate.id, line.tip, at_us)


def gate_of(universe: str, key: bytes, lines: Lines) -> Line:
    """The line that `key` goes on with. Raises `CannotTravel` where it is not to."""
    line = lines[universe]
    if line.gate is None:
        raise CannotTravel(f"{universe} has no gate yet", "no-gate")
    if line.gate.hand_over.gate != key:
        detail = (
            f"the gate of {universe} is the device {line.gate.hand_over.gate.hex()[:16]}…, not this"
            " one. Where that one is lost or stopped for good: `panspermia sync`, so that all it"
            f" signed is here, then `panspermia passage gate {quote(universe)}`"
        )
        raise CannotTravel(detail, "not-the-gate")
    _check_whole(line)
    if line.is_suspect:
        detail = "this gate signed two receipts with one number: hand over to go on"
        raise CannotTravel(detail, "gate-in-doubt")
    return line


def is_gate(universe: str, key: bytes, lines: Lines) -> bool:
    """Whether `key` goes on with its line."""
    try:
        gate_of(universe, key, lines)
    except CannotTravel:
        return False
    return True


def where(place: Place) -> str:
    """In words."""
    match place:
        case In(universe):
            return f"in {universe}"
        case InTransit(source, target):
            return f"on its way from {source} to {target}"
        case Refused(source, target):
            return f"on its way back to {source}, refused by {target}"


def _check_whole(line: Line) -> None:
    if not line.is_whole:
        detail = (
            f"receipts of an earlier gate of {line.universe} are not here yet: `panspermia sync`"
            " brings them from a node that holds them"
        )
        raise CannotTravel(detail, "gate-behind")
    if line.has_gap:
        detail = (
            f"receipts of {line.universe} after its number {line.tip.seq} are missing here, and"
            " later ones are here: `panspermia sync` brings them from a node that holds them"
        )
        raise CannotTravel(detail, "gate-behind")


def _check_room(line: Line, traveller: Traveller) -> None:
    """Raises `CannotTravel` (`gate-full`) while answers still fit."""
    held = (*line.receipts, *line.apart)
    used = sum(len(one.receipt.traveller.inline or b"") for one in held)
    large = sum(one.receipt.traveller.blob is not None for one in held)
    if traveller.blob is not None and large >= LARGE_MAX:
        detail = (
            f"{line.universe} sent {large} travellers of more than {INLINE_BYTES_MAX} bytes, whose"
            " bytes are kept: it sends smaller ones only"
        )
        raise CannotTravel(detail, "gate-full")
    if len(held) < SENT_MAX and used + len(traveller.inline or b"") <= SENT_BYTES_MAX:
        return
    detail = (
        f"{line.universe} has {len(held)} receipts with {used} bytes of travellers; nobody is sent"
        f" beyond {SENT_MAX} or {SENT_BYTES_MAX}. It still lets in who comes: let them go on from"
        " another universe"
    )
    raise CannotTravel(detail, "gate-full")


def _is_of(wish: Wish, receipt: Receipt) -> bool:
    return (wish.passage, wish.target, wish.traveller) == (
        receipt.passage,
        receipt.other,
        receipt.traveller,
    )


def _journey_of(departure: Receipt) -> tuple[bytes, str, Traveller]:
    return departure.migration, departure.passage, departure.traveller.told


def _on_its_way(one: Checked) -> InTransit:
    return InTransit(one.receipt.universe, one.receipt.other, one.id)


def _reply(to: Checked, kind: str, key: bytes, now: Now, reason: str = "") -> Receipt:
    return replace(
        to.receipt,
        kind=kind,
        universe=to.receipt.other,
        other=to.receipt.universe,
        gate=key,
        traveller=to.receipt.traveller.told,
        tick=now.tick,
        at_us=now.at_us,
        answers=to.id,
        reason=reason,
    )


def _next(line: Line, receipt: Receipt) -> Receipt:
    return _chained(line, [receipt])[0]


def _chained(line: Line, receipts: Iterable[Receipt]) -> list[Receipt]:
    """The same, each in its place after the line."""
    assert line.gate is not None
    last, placed = line.tip, list[Receipt]()
    for one in receipts:
        epoch = line.gate.hand_over.epoch
        placed.append(replace(one, epoch=epoch, seq=last.seq + 1, prev=last.id))
        last = Last(last.seq + 1, id_of(placed[-1]))
    return placed
