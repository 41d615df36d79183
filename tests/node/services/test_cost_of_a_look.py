"""What a look at a gate costs is bounded, whatever a partner's gate signs."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.change import DocumentId
from node.services import gatebooks
from storage.documents import DocumentState
from tests.node.services.test_cheats import equivocates
from tests.node.services.test_many_travellers import left
from tests.node.services.test_travel import Person, opened, opened_people
from universe.receipts import Who


@pytest.fixture
async def people(tmp_path: Path) -> AsyncGenerator[tuple[Person, Person]]:
    async with AsyncExitStack() as stack:
        yield await opened_people(stack, tmp_path)


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
