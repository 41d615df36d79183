"""Whose turn it is, which number is whose, and how a reconciliation ends."""

import pytest

from crdt.area import Area
from crdt.keys import COMMONS, NamespaceKey
from crdt.order import EMPTY_SUMMARY
from p2p.protocol import limits
from p2p.protocol.config import Role
from p2p.protocol.effects import AreaReconciled, Synced
from p2p.protocol.errors import PeerTimeout
from p2p.protocol.frames import (
    Compare,
    Frame,
    Have,
    Interests,
    Listed,
    Listing,
    Pong,
    Ranges,
    Reconcile,
    Skip,
    Summary,
)
from p2p.protocol.grants import FULL, encode_area, write_interests
from tests.p2p.protocol.conversation import EVERYTHING_WANTED, Line, Talk, entries_of
from tests.simulation.people import ALICE, BOB

NOTHING = (Listing(None, b""),)
UNEQUAL = (Summary(None, 7, b"?" * 16),)
PRIVATE = NamespaceKey(b"p" * 31 + b"\1")


def opening(number: int = 0, area: Area = FULL, namespace: NamespaceKey = COMMONS) -> Reconcile:
    return Reconcile(number, namespace, encode_area(area), NOTHING)


def test_the_authority_records_are_compared_first() -> None:
    talk = Talk().settle()
    opened = talk.alice.frames(Reconcile)
    assert [(one.number, one.area) for one in opened] == [
        (0, encode_area(Area(path=(b"_auth",)))),
        (2, encode_area(FULL)),
    ]
    assert talk.bob.frames(Reconcile) == []


def test_the_end_as_the_document_tells_it() -> None:
    """Ranges, both Listed, both Compare, and an event on either side."""
    talk = Talk(entries_of(1, 100), entries_of(2, 100)).settle()
    for side in (talk.alice, talk.bob):
        of_two = [frame for frame in side.sent if getattr(frame, "number", None) == 2]
        kinds = [type(frame).__name__ for frame in of_two if isinstance(frame, Listed | Compare)]
        assert kinds == ["Listed", "Compare"]
        assert [one.is_equal for one in side.heard(AreaReconciled)] == [True, True]
        assert len(side.heard(Synced)) == 1


def test_an_area_that_is_not_common_is_compared_and_nothing_more() -> None:
    """Bob may read it, Alice does not want it: she has nothing of it, and says so."""
    config = ALICE.config(interests=((COMMONS, Area(ALICE.author)),))
    line = Line(config=config, entries=entries_of(3, 5))
    assert line.say(opening(area=Area(BOB.author))) == [Listed(0)]
    assert line.say(Listed(0)) == [Compare(0, 0, EMPTY_SUMMARY.fingerprint)]
    line.say(Compare(0, 1, b"?" * 16))
    assert line.events[-2:] == [
        AreaReconciled(COMMONS, Area(BOB.author), 0, is_equal=False),
        Synced(line.session.report),
    ]


Script = list[Frame]
FAULTS: list[tuple[str, Script, str]] = [
    ("our number", [opening(1)], "reconcile-number"),
    ("open already", [Reconcile(0, COMMONS, b"\x60\0\0", UNEQUAL)] * 2, "reconcile-number"),
    ("never opened", [Ranges(4, NOTHING)], "reconcile-number"),
    ("never opened, listed", [Listed(4)], "reconcile-number"),
    ("never opened, compared", [Compare(4, 0, b"?" * 16)], "reconcile-number"),
    ("may not read", [opening(namespace=PRIVATE)], "reconcile-area"),
    ("no area", [Reconcile(0, COMMONS, b"", NOTHING)], "area"),
    ("compared before listed", [opening(), Compare(0, 0, b"?" * 16)], "compare"),
    ("ranges after our Listed", [opening(), Ranges(0, NOTHING)], "ranges-turn"),
    ("listed twice", [Reconcile(0, COMMONS, b"\x60\0\0", UNEQUAL), Listed(0), Listed(0)], "listed"),
    (
        "ranges after Listed",
        [Reconcile(0, COMMONS, b"\x60\0\0", UNEQUAL), Listed(0), Ranges(0, NOTHING)],
        "ranges-turn",
    ),
    ("wrong ranges", [Reconcile(0, COMMONS, b"\x60\0\0", (Skip(None), Skip(None)))], "range-order"),
]


@pytest.mark.parametrize(
    ("script", "code"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_out_of_turn(script: Script, code: str) -> None:
    line = Line(entries=entries_of(4, 100))
    line.say(*script)
    assert line.fault == code


def test_ranges_before_the_last_were_answered() -> None:
    line = Line(entries=entries_of(4, 100), is_answering=False)
    line.say(Reconcile(0, COMMONS, b"\x60\0\0", UNEQUAL), Ranges(0, UNEQUAL))
    assert line.fault == "ranges-turn"
    line = Line(entries=entries_of(4, 100), is_answering=False)
    line.say(Reconcile(0, COMMONS, b"\x60\0\0", UNEQUAL), Listed(0))
    assert line.fault == "listed"


def test_compared_twice() -> None:
    line = Line(entries=entries_of(4, 1))
    line.say(opening(), Listed(0))
    line.say(Compare(0, 1, b"?" * 16))
    line.say(Compare(0, 1, b"?" * 16))
    assert line.fault in ("compare", "reconcile-number")


def test_more_reconciliations_than_may_be_open() -> None:
    line = Line(entries=entries_of(5, 100))
    for number in range(limits.RECONCILIATIONS_MAX):
        line.say(Reconcile(2 * number, COMMONS, b"\x60\0\0", UNEQUAL))
    assert line.fault == ""
    line.say(Reconcile(98, COMMONS, b"\x60\0\0", UNEQUAL))
    assert line.fault == "reconcile-count"


def test_we_open_no_more_than_may_be_open() -> None:
    areas = tuple(
        (COMMONS, Area(end=9 + i, start=i)) for i in range(2 * limits.RECONCILIATIONS_MAX)
    )
    line = Line(role=Role.INITIATOR, config=ALICE.config(interests=areas))
    opened = [frame for frame in line.sent if isinstance(frame, Reconcile)]
    assert len(opened) == limits.RECONCILIATIONS_MAX
    said = line.say(Listed(0), Compare(0, 0, EMPTY_SUMMARY.fingerprint))
    assert [frame.number for frame in said if isinstance(frame, Reconcile)] == [
        2 * limits.RECONCILIATIONS_MAX
    ]


def test_a_peer_whose_ranges_never_end_is_left() -> None:
    """ROUNDS_MAX: its fingerprints fit nothing, whatever it is told."""
    line = Line(entries=entries_of(6, 65))
    (answer,) = line.say(Reconcile(0, COMMONS, b"\x60\0\0", UNEQUAL))
    assert isinstance(answer, Ranges)
    for _ in range(limits.ROUNDS_MAX - 1):
        line.say(Ranges(0, UNEQUAL))
    assert line.fault == ""
    line.say(Ranges(0, UNEQUAL))
    assert line.fault == "ranges-endless"


def test_a_peer_that_opens_one_after_the_other_is_left() -> None:
    """RECONCILIATIONS_BURST at once, then RECONCILIATIONS_PER_S."""
    line = Line()

    def compare(number: int) -> None:
        line.say(opening(number), Listed(number), Compare(number, 0, EMPTY_SUMMARY.fingerprint))

    for number in range(int(limits.RECONCILIATIONS_BURST)):
        compare(2 * number)
    line.now_s += 1.0 / limits.RECONCILIATIONS_PER_S
    compare(0)
    assert line.fault == ""
    compare(2)
    assert line.fault == "flood"


@pytest.mark.parametrize(
    "script",
    [[], [Listed(0), Listed(2)]],
    ids=["never answers", "never compares"],
)
def test_a_peer_that_owes_an_answer_is_left_at_last(script: Script) -> None:
    line = Line(role=Role.INITIATOR)
    line.say(*script)
    for _ in range(int(limits.ANSWER_S)):
        assert line.reason is None
        line.say(Pong(0))
        line.tick(1.0)
    assert isinstance(line.reason, PeerTimeout)
    assert line.reason.code == "no-answer"


def test_while_much_is_wanted_no_further_ranges_are_answered() -> None:
    """The backlog of asked-for ids is bounded: the next ranges wait until it is worked off."""
    missing = [entries_of(30 + number, 64) for number in range(200)]
    listed = [Listing(None, b"".join(one.id[:16] for one in some)) for some in missing]
    line = Line()
    numbers = range(0, 16, 2)
    for number, some in zip(numbers, listed, strict=False):
        line.say(Reconcile(number, COMMONS, b"\x60\0\0", (some,)))
    assert line.session.report.rounds == 8
    assert len([frame for frame in line.sent if isinstance(frame, Listed)]) == 8


def test_interests_that_grow_meanwhile_are_compared_too() -> None:
    """Bob wants more while the first comparison is under way: it comes after it."""
    hers = (COMMONS, Area(ALICE.author))
    line = Line(role=Role.INITIATOR)
    line.say(*[Listed(0), Listed(2)])
    first = len([frame for frame in line.sent if isinstance(frame, Reconcile)])
    narrow: Interests = write_interests([hers])
    line.say(narrow)
    equal = EMPTY_SUMMARY.fingerprint
    said = line.say(Compare(0, 0, equal), Compare(2, 0, equal))
    opened = [frame.area for frame in said if isinstance(frame, Reconcile)]
    assert first == 2
    assert opened == [
        encode_area(Area(ALICE.author, (b"_auth",))),
        encode_area(Area(ALICE.author)),
    ]
    assert not [event for event in line.events if isinstance(event, Synced)]


def test_urgent_is_what_lies_under_auth() -> None:
    talk = Talk(entries_of(7, 3, cls="_auth"), entries_of(8, 90)).settle()
    assert talk.is_equal
    urgent = [have.is_urgent for side in (talk.alice, talk.bob) for have in side.frames(Have)]
    assert urgent.count(True) <= 1
    assert EVERYTHING_WANTED.areas
