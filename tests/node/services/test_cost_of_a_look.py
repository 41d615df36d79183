"""What a look at a gate costs is bounded, whatever a partner's gate signs."""

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import pytest

from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.keys import COMMONS
from node.errors import Conflict, Rejected
from node.events import Events
from node.gates import Gates
from node.services import coming, gatebooks
from node.services.gatebooks import Books
from node.services.passages import document_of
from node.services.passengers import Passenger
from node.services.travellers import Asked, story_held, travellers_through, who_waits
from storage.documents import DocumentState
from tests.node.passing_time import PassingTime
from tests.node.services.test_cheats import equivocates, line_at
from tests.node.services.test_many_travellers import left
from tests.node.services.test_room import joined
from tests.node.services.test_travel import Person, opened
from tests.registry.attested import CAROL_DID
from tests.storage.people import NOW_US
from universe.gate import hand_over
from universe.gatebook import put_hand_over
from universe.gates import sign_hand_over
from universe.passage import Passage
from universe.receipts import Checked, Receipt, Traveller, Who


def reads_of(by: Person, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each record is read from now on, by its id."""
    reads, real = Counter[str](), by.ferry.store.read

    async def noted(document: DocumentId) -> DocumentState | None:
        reads[document.record.decode()] += 1
        return await real(document)

    monkeypatch.setattr(by.ferry.store, "read", noted)
    return reads


@pytest.mark.parametrize("room", [gatebooks.VOTES_MAX, 2])
async def test_whose_votes_are_asked_for_is_read_once_in_a_look(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """As far as there is room to remember; what a later look reads, it reads anew."""
    monkeypatch.setattr(gatebooks, "VOTES_MAX", room)
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    others = [await bob.makes(f"universe:{number}") for number in range(6)]
    imp = left(alice, bob, passage, 0, Who(meadow, "imp"))
    named = [
        replace(imp, other=other, migration=number.to_bytes(16))
        for number, other in enumerate(others)
    ]
    await alice.signs(left(alice, bob, passage, 9, Who(meadow, "hen")))
    await equivocates(alice, named)
    await bob.hears(alice)
    reads = reads_of(bob, monkeypatch)
    for _ in range(2):
        reads.clear()
        assert not await bob.gates.answer(reef)
        voting = [reads[name.partition("/")[2]] for name in others]
        assert min(voting) == 1
        assert (max(voting) == 1) == (room > 2)


async def test_what_stands_in_the_documents_of_who_has_a_vote_counts_for_what_is_read(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes from the gate that names them waits, where that is too much, and nobody else."""
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    near = await alice.makes("universe:near")
    honest = await joined(alice, bob, near, reef, 2)
    others = [await bob.makes(f"universe:{number}") for number in range(6)]
    imp = left(alice, bob, passage, 0, Who(meadow, "imp"))
    await alice.signs(left(alice, bob, passage, 9, Who(meadow, "hen")))
    await equivocates(
        alice,
        [replace(imp, other=other, migration=bytes([n]) * 16) for n, other in enumerate(others)],
    )
    await sends_ants(bob, alice, passage, others)
    await alice.gates.send(honest, near, bytes([6]) * 16, Passenger(b"{}", "fox"), 1)
    await bob.hears(alice)
    monkeypatch.setattr(gatebooks, "RECEIPTS_MAX", 60)
    reads = reads_of(bob, monkeypatch)
    (signed,) = await bob.gates.answer(reef)
    assert signed.receipt.traveller.who.soul == "fox"
    voting = [reads[name.partition("/")[2]] for name in others]
    assert 0 < sum(voting) < len(others)
    monkeypatch.setattr(gatebooks, "RECEIPTS_MAX", 200)
    reads.clear()
    await bob.gates.answer(reef)
    assert min(reads[name.partition("/")[2]] for name in others) == 1


async def sends_ants(by: Person, to: Person, passage: Passage, universes: list[str]) -> None:
    """Nineteen from each, whatever their gates should hold back: twenty statements of each gate."""
    for universe in universes:
        await by.gates.take_gate(universe)
        ants = [Who(universe, f"ant {number}") for number in range(19)]
        said = [left(by, to, passage, number, ant) for number, ant in enumerate(ants)]
        key = by.ferry.identity.device.public
        await by.signs(*(replace(one, universe=universe, gate=key) for one in said))


@pytest.mark.parametrize("act", ["take", "anyway"])
async def test_what_stands_in_the_documents_of_who_has_a_vote_on_it_stops_no_gate_of_ones_own(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """It signed two receipts with one number, as a home does that was put back."""
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    others = [await bob.makes(f"universe:{number}") for number in range(6)]
    imp = left(alice, bob, passage, 0, Who(meadow, "imp"))
    await sends_ants(bob, alice, passage, others)
    _, second, *_ = await equivocates(
        alice,
        [replace(imp, other=other, migration=bytes([n]) * 16) for n, other in enumerate(others)],
    )
    answer = replace(imp, universe=others[0], other=meadow, kind="arrival", answers=second.id)
    key = bob.ferry.identity.device.public
    await bob.signs(replace(answer, traveller=imp.traveller.told, gate=key))
    fox = await bob.gates.send(passage, reef, bytes([6]) * 16, Passenger(b"{}", "fox"), 1)
    await alice.hears(bob)
    monkeypatch.setattr(gatebooks, "RECEIPTS_MAX", 60)
    assert not await alice.gates.answer(meadow)
    taken = await alice.gates.take_gate(meadow, anyway=act == "anyway")
    assert taken.is_changed
    assert second.id in {one.id for one in (await line_at(alice, meadow)).receipts}
    (signed,) = await alice.gates.answer(meadow)
    assert signed.receipt.answers == fox.departure.id
    await alice.gates.send(passage, meadow, bytes([7]) * 16, Passenger(b"{}", "hen"), 1)


async def wander(alice: Person, bob: Person, said: Receipt, whos: list[Who], hops: int) -> None:
    """From where they come from through so many universes, each of which is here, to the meadow."""
    meadow = said.universe
    way = [whos[0].origin, *[await alice.makes(f"universe:u{number}") for number in range(hops)]]
    for here, there in pairwise([*way, meadow]):
        for end in (here, there):
            await alice.gates.take_gate(end, only_first=True)
        goes = [
            replace(
                said, universe=here, other=there, migration=number.to_bytes(16),
                traveller=Traveller.of(who, b"x", "json"),
            )
            for number, who in enumerate(whos)
        ]  # fmt: skip
        before = len((await line_at(alice, here)).receipts)
        await alice.signs(*goes)
        went = (await line_at(alice, here)).receipts[before:]
        await alice.signs(
            *(
                replace(
                    one.receipt, kind="arrival", universe=there, other=here, answers=one.id,
                    traveller=one.receipt.traveller.told,
                )
                for one in went
            )
        )  # fmt: skip


async def test_stories_that_are_too_long_are_read_in_turns_and_all_others_are_answered(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    most, imps = 6, 24
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", most)
    monkeypatch.setattr(coming, "READ_MAX", 4 * most)
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    near = await alice.makes("universe:near")
    honest = await joined(alice, bob, near, reef, 2)
    said = left(alice, bob, passage, 0, Who(meadow, "hen"))
    origin = await alice.makes("universe:start")
    whos = [Who(origin, f"imp {number}") for number in range(imps)]
    await wander(alice, bob, replace(said, gate=alice.ferry.identity.device.public), whos, most + 2)
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(whos)))
    await alice.signs(left(alice, bob, passage, imps, Who(meadow, "hen")))
    await alice.gates.send(honest, near, bytes([6]) * 16, Passenger(b"{}", "fox"), 1)
    await bob.hears(alice)
    gates = Gates(lambda _: bob.ferry, bob.gates.lock, events := Events())
    reads = reads_of(bob, monkeypatch)
    told, looks, bound = events.follow(0, ("traveller",)), 0, 12 * most
    assert await gates.answer(COMMONS) == 1, "who came by another passage does not wait"
    assert reads.total() <= bound
    assert b'"soul":"fox"' in (await anext(told)).data
    while True:
        looks += 1
        reads.clear()
        signed = await gates.answer(COMMONS)
        assert reads.total() <= bound, "not one after the other of them all"
        if signed:
            break
        assert gates.put_off.first_s(now_s=gates.clock_s()) is not None, "there is a next look"
    assert b'"soul":"hen"' in (await anext(told)).data
    assert 1 < looks <= imps
    await told.aclose()


async def test_so_many_stories_are_read_in_a_look_and_the_others_in_the_next_ones(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coming, "READ_MAX", 20)  # each is one, and looks for one universe
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    ghosts = [Who(f"{CAROL_DID}/universe:{number}", "imp") for number in range(35)]
    whos = [*ghosts, Who(meadow, "hen"), *ghosts]
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(whos)))
    await bob.hears(alice)
    reads = reads_of(bob, monkeypatch)
    for look in range(4):
        reads.clear()
        signed = await bob.gates.answer(bob.universe("universe:reef"))
        assert [one.receipt.traveller.who.soul for one in signed] == ["hen"] * (look == 3)
        assert len([name for name in reads if name.removeprefix("universe:").isdigit()]) <= 10
    seen = set[str]()
    for _ in range(4):
        reads.clear()
        assert not await bob.gates.answer(bob.universe("universe:reef"))
        seen |= {name for name in reads if name.removeprefix("universe:").isdigit()}
    assert len(seen) == 35, "each of them has its turn again: it may be on its way by now"


async def test_a_device_that_is_not_the_gate_reads_no_stories_and_looks_no_more(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coming, "READ_MAX", 20)
    alice, bob = people
    passage, reef = await opened(alice, bob), bob.universe("universe:reef")
    ghosts = [Who(f"{CAROL_DID}/universe:{number}", "imp") for number in range(35)]
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(ghosts)))
    await bob.hears(alice)
    device, another = bob.ferry.identity.device, bytes([7]) * 32
    said = await Books(bob.ferry).ask(
        lambda lines: hand_over(reef, another, device.public, lines, NOW_US)
    )
    edit = put_hand_over(sign_hand_over(said, device), now_us=NOW_US)
    document = document_of(reef, "uni", COMMONS)
    await bob.ferry.store.commit(document, edit, bob.ferry.identity.signer)
    gates = Gates(lambda _: bob.ferry, bob.gates.lock, Events())
    reads = reads_of(bob, monkeypatch)
    assert await gates.answer(COMMONS) == 0
    assert not [name for name in reads if name.removeprefix("universe:").isdigit()]
    assert gates.put_off.first_s(now_s=gates.clock_s()) is None


async def test_of_passages_that_strangers_name_none_is_looked_up(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    made_up = [
        replace(
            left(alice, bob, passage, number, Who(meadow, f"imp {number}")),
            passage=f"{alice.ferry.did}/passage:made-up-{number}",
        )
        for number in range(40)
    ]
    await alice.signs(*made_up, left(alice, bob, passage, 99, Who(meadow, "hen")))
    await bob.hears(alice)
    reads = reads_of(bob, monkeypatch)
    (signed,) = await bob.gates.answer(bob.universe("universe:reef"))
    assert signed.receipt.traveller.who.soul == "hen"
    assert not [name for name in reads if "made-up" in name]


async def test_who_was_found_and_left_is_answered_before_others_are_read(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many others a partner makes up, who come after them."""
    monkeypatch.setattr(coming, "READ_MAX", 40)
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    hens = [Who(meadow, f"hen {number}") for number in range(39)]
    ghosts = [Who(f"{CAROL_DID}/universe:{number}", "imp") for number in range(90)]
    whos = [*hens, *ghosts]
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(whos)))
    await bob.hears(alice)
    answered = [len(await bob.gates.answer(bob.universe("universe:reef"))) for _ in range(4)]
    assert answered == [16, 16, 7, 0]


async def test_who_was_found_and_waits_for_bytes_holds_the_place_of_no_other_one(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are answered meanwhile who came by another passage."""
    monkeypatch.setattr(coming, "READ_MAX", 20)
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    reef, near = bob.universe("universe:reef"), await alice.makes("universe:near")
    busy = await joined(alice, bob, near, reef, 2)
    ghosts = [Who(f"{CAROL_DID}/universe:{number}", "imp") for number in range(15)]
    waits = left(alice, bob, passage, 50, Who(meadow, "whale"))
    told = Traveller.in_blob(Who(meadow, "whale"), bytes(40_000), "json", BlobId(bytes(32)))
    await alice.signs(
        replace(waits, traveller=told),
        *(left(alice, bob, passage, n, who) for n, who in enumerate(ghosts)),
        left(alice, bob, passage, 60, Who(meadow, "hen")),
    )
    for number in range(64):
        goes = left(alice, bob, busy, number, Who(near, f"eel {number}"))
        await alice.signs(replace(goes, universe=near))
    await bob.hears(alice)
    looks = [await bob.gates.answer(reef) for _ in range(3)]
    assert [len(one) for one in looks] == [16, 16, 16]
    assert "hen" in [one.receipt.traveller.who.soul for one in looks[1]], "it is her turn"


async def test_where_nothing_changes_all_are_read_once_and_nobody_is_looked_for_any_more(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person is asked, and says nothing."""
    monkeypatch.setattr(coming, "READ_MAX", 20)
    alice, bob = people
    passage, meadow = await opened(alice, bob, arrivals="ask"), alice.universe("universe:meadow")
    whos = [Who(f"{CAROL_DID}/universe:{number}", "imp") for number in range(35)]
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(whos)))
    await bob.hears(alice)
    passing, quiet = PassingTime(), asyncio.Event()

    async def rest(_: float) -> None:
        await asyncio.sleep(0)

    async def wait(wake: asyncio.Event, wait_s: float | None) -> None:
        if wait_s is None and not wake.is_set():
            quiet.set()
        await passing.wait(wake, wait_s)

    gates = Gates(lambda _: bob.ferry, bob.gates.lock, Events(), passing.clock_s)
    task = asyncio.create_task(gates.run(rest, wait))
    try:
        async with asyncio.timeout(60):
            await quiet.wait()
            assert passing.waits == [30, 30, 30], "ten in each, and the last five"
            quiet.clear()
            await alice.signs(left(alice, bob, passage, 99, Who(meadow, "hen")))
            await bob.hears(alice)
            await quiet.wait()
            assert passing.waits == [30] * 6
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_refusals_have_their_turns_too(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever came by a long way left here again, and is sent back by a partner: so many of them
    that one look cannot read how they came."""
    most, imps = 6, 12
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    said = left(alice, bob, passage, 0, Who(meadow, "hen"))
    said = replace(said, gate=alice.ferry.identity.device.public)
    origin = await alice.makes("universe:start")
    whos = [Who(origin, f"imp {number}") for number in range(imps)]
    await wander(alice, bob, said, whos, most + 2)
    whos.append(Who(meadow, "hen"))
    came = await goes_on(alice, [left(alice, bob, passage, n, who) for n, who in enumerate(whos)])
    await bob.hears(alice)
    await replies(bob, "arrival", came)
    back = [
        replace(one.receipt, universe=reef, other=meadow, migration=(900 + n).to_bytes(16))
        for n, one in enumerate(came)
    ]
    went = await goes_on(bob, back)
    await alice.hears(bob)
    await replies(alice, "refusal", went)
    await bob.hears(alice)
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", most)
    monkeypatch.setattr(coming, "READ_MAX", 4 * most)
    reads, looks = reads_of(bob, monkeypatch), 0
    while True:
        looks += 1
        reads.clear()
        signed = await bob.gates.answer(reef)
        assert reads.total() <= 12 * most
        if signed:
            break
        assert bob.gates.put_off_until_us is not None, "there is a next look"
    (one,) = signed
    assert (one.receipt.kind, one.receipt.traveller.who.soul) == ("return", "hen")
    assert 1 < looks <= imps


async def goes_on(by: Person, departures: list[Receipt]) -> list[Checked]:
    before = len((await line_at(by, departures[0].universe)).receipts)
    await by.signs(*departures)
    return list((await line_at(by, departures[0].universe)).receipts[before:])


async def replies(by: Person, kind: Literal["arrival", "refusal"], to: list[Checked]) -> None:
    await by.signs(
        *(
            replace(
                one.receipt, kind=kind, universe=one.receipt.other, other=one.receipt.universe,
                answers=one.id, traveller=one.receipt.traveller.told,
                reason="no room" if kind == "refusal" else "",
            )
            for one in to
        )
    )  # fmt: skip


async def comes_through(by: Person, said: Receipt, way: list[str], busy: int = 0) -> None:
    """Its traveller comes to the meadow, through universes of which so much else is told too."""
    for here, there in pairwise([*way, said.universe]):
        for end in (here, there):
            await by.gates.take_gate(end, only_first=True)
        others = [
            replace(
                said, universe=here, migration=(100 + number).to_bytes(16),
                traveller=Traveller.of(Who(here, f"other {number}"), bytes(100), "json"),
            )
            for number in range(busy)
        ]  # fmt: skip
        (went, *_) = await goes_on(by, [replace(said, universe=here, other=there), *others])
        await replies(by, "arrival", [went])


@pytest.mark.parametrize(("bound", "most"), [("RECEIPTS_MAX", 30), ("BYTES_MAX", 2_000)])
async def test_no_other_story_is_begun_once_so_much_was_read(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    """The meadow's twelve among it, and eleven or twelve of each home."""
    monkeypatch.setattr(coming, bound, most)
    alice, bob = people
    passage = await opened(alice, bob)
    for number in range(6):
        home = await alice.makes(f"universe:{number}")
        leaves = left(alice, bob, passage, number, Who(home, "fox"))
        await comes_through(alice, leaves, [home], busy=11)
        await alice.signs(leaves)
    await bob.hears(alice)
    reads = reads_of(bob, monkeypatch)
    for _ in range(3):
        reads.clear()
        assert len(await bob.gates.answer(bob.universe("universe:reef"))) == 2
        assert len([name for name in reads if name.removeprefix("universe:").isdigit()]) == 2


@pytest.mark.parametrize(
    ("bound", "most"), [("RECEIPTS_MAX", 48), ("BYTES_MAX", 4_000), ("ASKED_MAX", 5)]
)
async def test_a_story_on_which_too_much_depends_is_too_long_and_no_other_one_waits(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    """However few the universes are that it goes through."""
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    way = [await alice.makes(f"universe:{number}") for number in range(8)]
    leaves = left(alice, bob, passage, 1, Who(way[0], "imp"))
    await comes_through(alice, leaves, way, busy=0 if bound == "ASKED_MAX" else 11)
    await alice.signs(leaves, left(alice, bob, passage, 2, Who(meadow, "hen")))
    for here in way if bound == "ASKED_MAX" else []:
        named = [
            replace(leaves, universe=here, other=f"{CAROL_DID}/{here[-1]}{number}")
            for number in range(3)
        ]
        await equivocates(
            alice, [replace(one, migration=(700 + n).to_bytes(16)) for n, one in enumerate(named)]
        )
    await bob.hears(alice)
    monkeypatch.setattr(gatebooks, bound, most)
    reads = reads_of(bob, monkeypatch)
    (signed,) = await bob.gates.answer(bob.universe("universe:reef"))
    assert signed.receipt.traveller.who.soul == "hen"
    assert len([name for name in reads if name.removeprefix("universe:").isdigit()]) < len(way)
    with pytest.raises(Rejected) as over:
        await story_held(bob.ferry, Who(way[0], "imp"))
    assert over.value.reason == gatebooks.TOO_LONG


async def test_a_story_that_is_too_long_is_not_read_at_each_look(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    passage, reef = await opened(alice, bob), bob.universe("universe:reef")
    way = [await alice.makes(f"universe:{number}") for number in range(8)]
    leaves = left(alice, bob, passage, 1, Who(way[0], "imp"))
    await comes_through(alice, leaves, way)
    await alice.signs(leaves)
    await bob.hears(alice)
    now_us = NOW_US
    bob.gates.by = replace(bob.ferry, clock_us=lambda: now_us)
    reads, looks = reads_of(bob, monkeypatch), list[bool]()
    for most, after_us in ((4, 0), (4, 1), (256, 3_599_999_999), (256, 3_600_000_000)):
        monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", most)
        now_us = NOW_US + after_us
        reads.clear()
        signed = await bob.gates.answer(reef)
        looks.append(any(name.removeprefix("universe:").isdigit() for name in reads))
        assert bool(signed) == (len(looks) == 4)
    assert looks == [True, False, False, True], "an hour after the first one"


@pytest.mark.parametrize("changes_s", [None, 60.0])
async def test_who_was_left_out_is_read_of_again_after_an_hour_though_nothing_comes(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, changes_s: float | None
) -> None:
    """Also where something else came meanwhile: that look does not read of them."""
    alice, bob = people
    passage = await opened(alice, bob)
    way = [await alice.makes(f"universe:{number}") for number in range(8)]
    leaves = left(alice, bob, passage, 1, Who(way[0], "hen"))
    await comes_through(alice, leaves, way)
    await alice.signs(leaves)
    await bob.hears(alice)
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 4)
    passing, told = PassingTime(), (events := Events()).follow(0, ("traveller",))
    planned = list[float]()
    by = replace(bob.ferry, clock_us=lambda: NOW_US + round(passing.now_s * 1_000_000))

    async def rest(_: float) -> None:
        await asyncio.sleep(0)

    async def wait(wake: asyncio.Event, wait_s: float | None) -> None:
        if wait_s is not None and not wake.is_set():
            planned.append(wait_s)
            if len(planned) == 1 and changes_s is not None:
                passing.now_s += changes_s
                await alice.signs(left(alice, bob, passage, 2, Who(way[1], "nobody")))
                await bob.hears(alice)
                return
            monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 256)
        await passing.wait(wake, wait_s)

    gates = Gates(lambda _: by, bob.gates.lock, events, passing.clock_s)
    task = asyncio.create_task(gates.run(rest, wait))
    try:
        async with asyncio.timeout(60):
            assert b'"soul":"hen"' in (await anext(told)).data
    finally:
        await told.aclose()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert planned[:2] == ([3600] if changes_s is None else [3600, 3600 - changes_s])
    assert passing.now_s == 3600


async def test_whose_hour_is_over_while_others_have_their_turn_is_one_of_the_next_look(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    passage, reef = await opened(alice, bob), bob.universe("universe:reef")
    way = [await alice.makes(f"universe:{number}") for number in range(8)]
    leaves = left(alice, bob, passage, 99, Who(way[0], "hen"))
    await comes_through(alice, leaves, way)
    ghosts = [Who(f"{CAROL_DID}/universe:{number}", "imp") for number in range(15)]
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(ghosts)), leaves)
    await bob.hears(alice)
    now_us = NOW_US
    by = replace(bob.ferry, clock_us=lambda: now_us)
    gates = Gates(lambda _: by, bob.gates.lock, Events(), lambda: now_us / 1_000_000)
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 4)
    assert await gates.answer(COMMONS) == 0, "she is left out"
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 256)
    monkeypatch.setattr(coming, "READ_MAX", 20)
    signed, looks = 0, 0
    while not signed:
        wait_s = gates.put_off.first_s(now_s=now_us / 1_000_000)
        assert wait_s is not None, "there is a next look"
        now_us += round(wait_s * 1_000_000)
        looks += 1
        signed = await gates.answer(COMMONS)
    assert looks == 2, "ten of them, and the others"
    assert now_us == NOW_US + 3_600_000_000 + 30_000_000
    assert await bob.gates.answer(reef) == []


async def test_who_was_read_of_after_an_hour_and_waits_for_a_person_is_looked_for_no_more(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = people
    passage = await opened(alice, bob, arrivals="ask")
    way = [await alice.makes(f"universe:{number}") for number in range(8)]
    leaves = left(alice, bob, passage, 1, Who(way[0], "hen"))
    await comes_through(alice, leaves, way)
    await alice.signs(leaves)
    await bob.hears(alice)
    now_us = NOW_US
    by = replace(bob.ferry, clock_us=lambda: now_us)
    gates = Gates(lambda _: by, bob.gates.lock, Events(), lambda: now_us / 1_000_000)
    planned = list[float | None]()
    for most in (4, 4, 256):
        monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", most)
        assert await gates.answer(COMMONS) == 0
        planned.append(gates.put_off.first_s(now_s=now_us / 1_000_000))
        now_us += 3_600_000_000
    assert planned == [3600, 3600, None]


@pytest.mark.parametrize(
    ("bound", "most", "read_max", "answered"),
    [
        ("RECEIPTS_MAX", 35, coming.READ_MAX, [8, 0]),
        ("BYTES_MAX", 20, coming.READ_MAX, [8, 0]),
        ("RECEIPTS_MAX", 35, 7, [4, 4, 0]),
    ],
)
async def test_who_came_the_same_way_is_answered_in_the_same_look(
    people: tuple[Person, Person],
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    most: int,
    read_max: int,
    answered: list[int],
) -> None:
    """However much is told of the universes behind them: they were read for the first of them. As
    many stories as are read in a look are no more for that."""
    monkeypatch.setattr(coming, bound, most)
    monkeypatch.setattr(coming, "READ_MAX", read_max)
    alice, bob = people
    passage, home = await opened(alice, bob), await alice.makes("universe:home")
    whos = [Who(home, f"hen {number}") for number in range(8)]
    said = replace(left(alice, bob, passage, 0, whos[0]), gate=alice.ferry.identity.device.public)
    await wander(alice, bob, said, whos, 1)
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(whos)))
    await bob.hears(alice)
    reads, reef = reads_of(bob, monkeypatch), bob.universe("universe:reef")
    for count in answered:
        reads.clear()
        assert len(await bob.gates.answer(reef)) == count
        assert reads["universe:u0"] == bool(count), "once for all of them"


async def test_who_was_left_in_a_look_is_let_in_by_a_next_one_though_nothing_comes(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coming, "READ_MAX", 20)
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    whos = [Who(f"{CAROL_DID}/universe:{number}", "imp") for number in range(35)]
    whos.append(Who(meadow, "hen"))
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(whos)))
    await bob.hears(alice)
    told, passing = (events := Events()).follow(0, ("traveller",)), PassingTime()

    async def rest(_: float) -> None:
        await asyncio.sleep(0)

    gates = Gates(lambda _: bob.ferry, bob.gates.lock, events, passing.clock_s)
    task = asyncio.create_task(gates.run(rest, passing.wait))
    try:
        async with asyncio.timeout(60):
            assert b'"soul":"hen"' in (await anext(told)).data
    finally:
        await told.aclose()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert passing.waits[:3] == [30, 30, 30]


async def test_whoever_else_left_under_a_migration_the_one_who_is_named_is_decided_at_little_cost(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coming, "READ_MAX", 20)
    alice, bob = people
    passage, meadow = await opened(alice, bob, arrivals="ask"), alice.universe("universe:meadow")
    ghosts = [Who(f"{CAROL_DID}/universe:{number}", "hen") for number in range(35)]
    await alice.signs(*(left(alice, bob, passage, 7, who) for who in (*ghosts, Who(meadow, "hen"))))
    await bob.hears(alice)
    reads = reads_of(bob, monkeypatch)
    with pytest.raises(Conflict, match=r"26 travellers left .* --origin UNIVERSE") as several:
        await who_waits(bob.ferry, passage, (7).to_bytes(16), Asked("hen"))
    assert meadow in several.value.candidates
    assert len([name for name in reads if name.removeprefix("universe:").isdigit()]) == 10
    waiting, _ = await who_waits(bob.ferry, passage, (7).to_bytes(16), Asked("hen", meadow))
    assert waiting.receipt.traveller.who == Who(meadow, "hen")


@pytest.mark.parametrize("is_imp_too", [False, True])
async def test_whoever_left_under_a_migration_and_has_too_long_a_story_is_not_passed_over(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch, is_imp_too: bool
) -> None:
    """Else another one is decided on for good without a word, or nobody is said to wait."""
    alice, bob = people
    passage, meadow = await opened(alice, bob, arrivals="ask"), alice.universe("universe:meadow")
    way = [await alice.makes(f"universe:{number}") for number in range(8)]
    imp = Who(way[0] if is_imp_too else meadow, "imp")
    whos = [Who(way[0], "hen"), imp]
    for who in whos if is_imp_too else whos[:1]:
        await comes_through(alice, left(alice, bob, passage, 7, who), way)
    await alice.signs(*(left(alice, bob, passage, 7, who) for who in whos))
    await bob.hears(alice)
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", 4)
    with pytest.raises(Conflict, match=r"2 travellers left .* hen or imp"):
        await who_waits(bob.ferry, passage, (7).to_bytes(16), Asked())
    waiting, _ = await who_waits(bob.ferry, passage, (7).to_bytes(16), Asked("imp"))
    assert waiting.receipt.traveller.who == imp


async def test_a_page_of_travellers_ends_where_it_would_cost_too_much(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    most, imps = 6, 12
    monkeypatch.setattr(gatebooks, "UNIVERSES_MAX", most)
    monkeypatch.setattr(coming, "READ_MAX", 4 * most)
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, origin = alice.universe("universe:meadow"), await alice.makes("universe:start")
    said = left(alice, bob, passage, 0, Who(meadow, "hen"))
    whos = [Who(origin, f"imp {number:02}") for number in range(imps)]
    await wander(alice, bob, replace(said, gate=alice.ferry.identity.device.public), whos, most + 2)
    far = [Who(meadow, "hen"), *whos]
    await alice.signs(*(left(alice, bob, passage, n, who) for n, who in enumerate(far)))
    await bob.hears(alice)
    reads = reads_of(bob, monkeypatch)
    shown, pages, after = list[Who](), 0, None
    while pages == 0 or after is not None:
        reads.clear()
        page = await travellers_through(bob.ferry, passage, after=after)
        assert reads.total() <= 12 * most
        shown += [one.who for one in page.stories]
        pages, after = pages + 1, page.next
    assert shown == [Who(meadow, "hen")]
    assert 2 <= pages <= imps
