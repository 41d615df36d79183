"""Gates of homes that lack what they signed: restored from a backup, or another device."""

import io
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.document import Editor
from crdt.keys import COMMONS
from node.home import Home
from node.identity import load_or_create
from node.meanings import MEANINGS
from node.outcomes import Outcome, outcome_of
from node.projection import project
from node.services import passages
from node.services.backup import backup_pieces, prepare_backup
from node.services.gatebooks import Books
from node.services.namespaces import Keeper
from node.services.passages import Ferry, close_passage, document_of, passage_called
from node.services.passengers import Passenger
from node.services.restore import restore
from node.services.travellers import travellers_through
from registry.errors import CannotTravel
from registry.head import touch
from storage.errors import DeviceForked
from storage.store import open_store
from tests.node.services.test_travel import FOX, Person, opened, opened_people, sends
from tests.node.services.test_travellers import joined
from tests.storage.people import NOW_US
from universe import behind as behind_rules
from universe.gate import Verdict
from universe.passage import Passage
from universe.receipts import Receipt, encode_signed, sign_receipt
from universe.travel import In, InTransit

PASSPHRASE = "correct horse battery"
HEN = Passenger(b'{"legs":2}', "hen")


class World:
    """alice, whose home is backed up and restored, and bob."""

    def __init__(self, stack: AsyncExitStack, path: Path, alice: Person, bob: Person) -> None:
        self.stack, self.path, self.alice, self.bob = stack, path, alice, bob

    async def backed_up(self) -> bytes:
        by = self.alice.ferry
        keeper = Keeper(Home(self.path / "alice"), by.identity, by.store, os.urandom)
        backup = await prepare_backup(keeper, PASSPHRASE, 1, is_everything=False)
        return b"".join([piece async for piece in backup_pieces(keeper, backup)])

    async def restored(self, data: bytes, name: str = "restored") -> Person:
        """alice again, as she was, with a device of its own; it knows nothing of bob yet."""
        home = Home(self.path / name)
        await restore(
            home, io.BytesIO(data), len(data), PASSPHRASE,
            entropy=os.urandom, clock_us=lambda: NOW_US, progress=lambda done, total: None,
        )  # fmt: skip
        identity = load_or_create(home, os.urandom)
        store = await self.stack.enter_async_context(
            open_store(home.database, project=project, clock_us=lambda: NOW_US)
        )
        return Person(Ferry(store, identity, lambda: NOW_US))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncGenerator[World]:
    async with AsyncExitStack() as stack:
        alice, bob = await opened_people(stack, tmp_path)
        yield World(stack, tmp_path, alice, bob)


async def left_after_the_backup(world: World) -> tuple[Passage, Person]:
    """The fox left after the backup, bob let it in, and alice's home is gone and restored."""
    alice, bob = world.alice, world.bob
    passage = await opened(alice, bob)
    backup = await world.backed_up()
    await sends(alice, passage)
    await bob.hears(alice)
    (arrived,) = await bob.gates.answer(bob.universe("universe:reef"))
    assert arrived.receipt.kind == "arrival"
    again = await world.restored(backup)
    await again.hears(bob)  # what bob says, and not yet what he holds of alice
    return await passage_called(again.ferry, passage.name), again


async def test_who_restores_an_old_home_doubles_nobody(world: World) -> None:
    passage, alice = await left_after_the_backup(world)
    bob, meadow = world.bob, alice.universe("universe:meadow")
    with pytest.raises(CannotTravel, match="panspermia passage gate") as another:
        await sends(alice, passage, migration=2)  # it is a device of its own
    assert another.value.why == "not-the-gate"
    with pytest.raises(CannotTravel, match=r"fox.*panspermia sync.*--anyway") as behind:
        await alice.gates.take_gate(meadow)
    assert (behind.value.why, bob.universe("universe:reef") in behind.value.detail) == (
        "gate-behind", True,
    )  # fmt: skip
    # bob holds what alice signed: with it the home knows where the fox is.
    await alice.hears(bob, about=world.alice)
    assert (await alice.gates.take_gate(meadow)).is_changed
    with pytest.raises(CannotTravel, match="universe:reef") as gone:
        await sends(alice, passage, migration=2)
    assert gone.value.why == "not-here"
    sent = await alice.gates.send(passage, meadow, bytes([3]) * 16, HEN, 9)
    await bob.hears(alice)
    await bob.gates.answer(bob.universe("universe:reef"))
    assert await bob.sees(sent) == In(bob.universe("universe:reef"))


async def test_what_is_lost_for_good_is_gone_without(world: World) -> None:
    passage, alice = await left_after_the_backup(world)
    bob, meadow, reef = world.bob, alice.universe("universe:meadow"), "universe:reef"
    taken = await alice.gates.take_gate(meadow, anyway=True)
    assert [one.receipt.kind for one in taken.given_up] == ["arrival"]
    assert not (await alice.gates.take_gate(meadow)).is_changed
    # The new line is good for everybody else: a hen goes there and back.
    sent = await alice.gates.send(passage, meadow, bytes([3]) * 16, HEN, 9)
    await bob.hears(alice)
    await bob.gates.answer(bob.universe(reef))
    assert await bob.sees(sent) == In(bob.universe(reef))
    await alice.hears(bob)
    assert await alice.sees(sent) == In(bob.universe(reef))
    # The fox is in the meadow for all who read its line, and bob's gate sends it nowhere.
    with pytest.raises(CannotTravel, match="not here"):
        await bob.gates.send(passage, bob.universe(reef), bytes([4]) * 16, FOX, 9)
    assert (await sends(alice, passage, migration=5)).is_new
    # What was lost and comes after all stays outside, and hinders nothing.
    await alice.hears(bob, about=world.alice)
    assert not (await alice.gates.take_gate(meadow)).is_changed
    line = await Books(alice.ferry).ask(lambda lines: lines[meadow])
    assert [one.receipt.epoch for one in line.apart] == [1]
    assert (line.is_whole, line.has_gap, line.equivocations) == (True, False, ())


@pytest.mark.parametrize("is_called_back", [True, False])
async def test_who_is_home_again_is_not_let_in_by_a_gate_that_lost_the_refusal(
    world: World, *, is_called_back: bool
) -> None:
    alice, bob = world.alice, world.bob
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    backup = await world.backed_up()
    sent = await bob.gates.send(passage, reef, bytes([1]) * 16, Passenger(b"{}", "eel"), 1)
    if is_called_back:
        await bob.gates.recall(reef, bytes([1]) * 16)
    await alice.hears(bob)
    if is_called_back:
        await alice.gates.answer(meadow)
    else:
        await alice.gates.decide(meadow, sent.departure.id, Verdict("refuse", "not today"), 5)
    await bob.hears(alice)
    (back,) = await bob.gates.answer(reef)
    assert back.receipt.kind == "return"
    assert await bob.sees(sent) == In(reef)
    # alice's home is one from before she refused it, and goes on without.
    again = await world.restored(backup)
    await again.hears(bob)
    with pytest.raises(CannotTravel) as behind:
        await again.gates.take_gate(meadow)
    assert behind.value.why == "gate-behind"
    assert (await again.gates.take_gate(meadow, anyway=True)).is_changed
    # Neither does a person let it in before the gate has looked.
    with pytest.raises(CannotTravel, match="home again"):
        await again.gates.decide(meadow, sent.departure.id, Verdict("accept"), 5)
    (refused,) = await again.gates.answer(meadow)
    assert (refused.receipt.kind, refused.receipt.answers) == ("refusal", sent.departure.id)
    await bob.hears(again)
    await bob.gates.answer(reef)
    assert await bob.sees(sent) == In(reef)
    # The next journey of the same eel is let in.
    eel = Passenger(b"{}", "eel")
    anew = await bob.gates.send(passage, reef, bytes([2]) * 16, eel, 2)
    await again.hears(bob)
    await again.gates.answer(meadow)
    assert await again.sees(anew) == In(meadow)


async def test_a_gate_that_finds_itself_behind_lets_nobody_in(world: World) -> None:
    """The device is the same, and its home an older one: a copy of its disk."""
    alice, bob = world.alice, world.bob
    passage = await opened(alice, bob, arrivals="ask")
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    left = await bob.gates.send(passage, reef, bytes([1]) * 16, Passenger(b"{}", "eel"), 1)
    # bob's own gate says that it answered what alice's never signed, as far as is held here.
    said = replace(
        left.departure.receipt, kind="arrival", answers=bytes([9]) * 32,
        traveller=replace(left.departure.receipt.traveller.told), migration=bytes([9]) * 16,
    )  # fmt: skip
    assert isinstance(said, Receipt)
    await bob.signs(said)
    await alice.hears(bob)
    for act in (
        lambda: alice.gates.answer(meadow),
        lambda: alice.gates.decide(meadow, left.departure.id, Verdict("accept"), 1),
        lambda: sends(alice, passage, migration=2),
        lambda: alice.gates.take_gate(meadow),
    ):
        with pytest.raises(CannotTravel) as behind:
            await act()
        assert behind.value.why == "gate-behind"
    # Of somebody who lies so the owner need not believe it.
    taken = await alice.gates.take_gate(meadow, anyway=True)
    assert (taken.is_changed, len(taken.given_up)) == (True, 1)
    (arrived,) = await alice.gates.answer(meadow)
    assert (arrived.receipt.kind, arrived.receipt.epoch) == ("arrival", 2)
    assert await alice.sees(left) == In(meadow)


async def test_however_many_passages_there_are_the_oldest_warns(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, alice = await left_after_the_backup(world)
    meadow = alice.universe("universe:meadow")
    near, far = await alice.makes("universe:near"), await alice.makes("universe:far")
    await joined(alice, "passage:other", near, far)
    monkeypatch.setattr(passages, "PAGE_MAX", 1)
    with pytest.raises(CannotTravel) as behind:
        await alice.gates.take_gate(meadow)
    assert behind.value.why == "gate-behind"


async def test_a_passage_that_was_closed_hides_no_loss(world: World) -> None:
    """It was closed for no lie, and the restored home hears of that before all else."""
    passage, alice = await left_after_the_backup(world)
    meadow = alice.universe("universe:meadow")
    await close_passage(alice.ferry, passage)
    with pytest.raises(CannotTravel) as behind:
        await alice.gates.take_gate(meadow)
    assert behind.value.why == "gate-behind"


async def test_who_lies_about_answers_too_often_is_silenced_by_closing_the_passage(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behind_rules, "EPOCHS_GIVEN_UP_MAX", 1)
    alice, bob = world.alice, world.bob
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    near = await alice.makes("universe:near")
    inner = await joined(alice, "passage:inner", meadow, near)
    left = await bob.gates.send(passage, reef, bytes([1]) * 16, Passenger(b"{}", "eel"), 1)
    said = replace(
        left.departure.receipt, kind="arrival", answers=bytes([9]) * 32,
        traveller=left.departure.receipt.traveller.told, migration=bytes([9]) * 16,
    )  # fmt: skip
    await bob.signs(said)
    await alice.hears(bob)
    with pytest.raises(CannotTravel, match=r"panspermia passage gate .* --anyway`"):
        await alice.gates.send(inner, meadow, bytes([2]) * 16, HEN, 1)
    with pytest.raises(CannotTravel, match=f"panspermia passage close {passage.name}`"):
        await alice.gates.take_gate(meadow, anyway=True)
    shown = await travellers_through(alice.ferry, passage)
    assert shown.behind == [meadow]
    closed = await close_passage(alice.ferry, passage)
    sent = await alice.gates.send(inner, meadow, bytes([2]) * 16, HEN, 1)
    (arrived,) = await alice.gates.answer(near)
    (refused,) = await alice.gates.answer(meadow)
    assert (arrived.receipt.kind, refused.receipt.kind) == ("arrival", "refusal")
    assert await alice.sees(sent) == In(near)
    assert not (await alice.gates.take_gate(meadow)).is_changed
    assert (await travellers_through(alice.ferry, closed)).behind == []


async def test_a_device_that_signed_two_things_takes_its_gate_anew(world: World) -> None:
    """Its home is an older one, and went on before anybody said what is missing."""
    alice, bob = world.alice, world.bob
    passage = await opened(alice, bob)
    sent, meadow = await sends(alice, passage), alice.universe("universe:meadow")
    said = replace(sent.departure.receipt, migration=bytes([2]) * 16, at_us=NOW_US + 1)
    other = sign_receipt(said, alice.ferry.identity.device)
    key = f"{said.seq:08x}-{other.id.hex()[:16]}"

    def edit(editor: Editor) -> None:
        editor.put(("gate", key), encode_signed(other))

    document = document_of(meadow, "uni", COMMONS)
    await alice.ferry.store.commit(document, edit, alice.ferry.identity.signer)
    with pytest.raises(CannotTravel, match="hand over to go on") as doubt:
        await alice.gates.send(passage, meadow, bytes([3]) * 16, HEN, 1)
    assert doubt.value.why == "gate-in-doubt"
    assert (await alice.gates.take_gate(meadow)).is_changed
    assert not (await alice.gates.take_gate(meadow)).is_changed
    await alice.gates.send(passage, meadow, bytes([3]) * 16, HEN, 1)
    await bob.hears(alice)
    arrived = await bob.gates.answer(bob.universe("universe:reef"))
    assert sorted(one.receipt.traveller.who.soul for one in arrived) == ["fox", "hen"]


async def test_a_home_from_before_its_first_gate_becomes_none_unseen(world: World) -> None:
    alice, bob = world.alice, world.bob
    backup = await world.backed_up()
    await sends(alice, await opened(alice, bob))
    await bob.hears(alice)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    await bob.gates.answer(reef)
    again = await world.restored(backup)
    await again.gates.check_first(meadow, reef)  # nothing is known yet
    await again.hears(bob)
    with pytest.raises(CannotTravel, match="fox") as behind:
        await again.gates.check_first(meadow, reef)
    assert behind.value.why == "gate-behind"
    await again.hears(bob, about=alice)
    await again.gates.check_first(meadow, reef)
    assert not (await again.gates.take_gate(meadow, only_first=True)).is_changed  # it has one


async def test_a_home_put_back_that_wrote_on_is_told_to_become_a_new_device(world: World) -> None:
    """It sent the hen before it heard that it had sent the fox: one of the two counts."""
    alice, bob = world.alice, world.bob
    passage = await opened(alice, bob)
    store = await world.stack.enter_async_context(
        open_store(world.path / "copy.db", project=project, clock_us=lambda: NOW_US)
    )
    copy = Person(Ferry(store, alice.ferry.identity, lambda: NOW_US))
    for other in (alice, bob):
        await copy.hears(other)
    meadow = alice.universe("universe:meadow")
    fox = await sends(alice, passage)
    await copy.gates.send(passage, meadow, bytes([2]) * 16, HEN, 7)
    for one in (alice, copy):
        await bob.hears(one)
    fallen, other = (copy, alice) if isinstance(await bob.sees(fox), InTransit) else (alice, copy)
    eel = Passenger(b"{}", "eel")  # what fell went on
    await fallen.gates.send(passage, meadow, bytes([3]) * 16, eel, 7)
    await fallen.hears(other)
    document = document_of(meadow, "uni", COMMONS)
    signer = alice.ferry.identity.signer
    with pytest.raises(DeviceForked, match="put back as it was before, or copied") as forked:
        await fallen.ferry.store.commit(document, lambda edit: touch(edit, NOW_US + 1), signer)
    assert outcome_of(forked.value) == Outcome(409, "device-forked")
    assert "restore FILE" in MEANINGS["device-forked"].do


async def test_numbers_of_what_was_lost_and_comes_after_all_are_given_again(world: World) -> None:
    alice, bob = world.alice, world.bob
    passage = await opened(alice, bob)
    backup = await world.backed_up()
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    for number in range(3):
        hen = Passenger(b"{}", f"hen {number}")
        await alice.gates.send(passage, meadow, bytes([number]) * 16, hen, 1)
    await bob.hears(alice)
    assert len(await bob.gates.answer(reef)) == 3
    again = await world.restored(backup)
    await again.hears(bob)
    assert (await again.gates.take_gate(meadow, anyway=True)).is_changed
    await again.hears(bob, about=alice)
    passage = await passage_called(again.ferry, passage.name)
    sent = await again.gates.send(passage, meadow, bytes([9]) * 16, FOX, 9)
    assert sent.departure.receipt.seq == 1
