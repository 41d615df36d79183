"""The inbox: letters come once, a few strangers' among them, and what is removed stays away."""

from pathlib import Path

import pytest

from storage import letters
from storage.errors import OverQuota
from storage.letters import NewLetter
from storage.store import open_store
from tests.storage.people import NOW_US, project

ALICE = bytes([1]) * 32


def letter(number: int, text: str = "hello") -> NewLetter:
    return NewLetter(ALICE, ALICE, number.to_bytes(16, "big"), "text", text, NOW_US, "relay://a:1")


async def test_a_letter_comes_once_and_is_read(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        first = await store.keep_letter(letter(1, "first"), is_named=True)
        assert await store.keep_letter(letter(1, "again"), is_named=True) is None
        assert await store.keep_letter(letter(2, "second"), is_named=True)
        assert [one.text for one in await store.letters()] == ["second", "first"]
        assert await store.unread_letters() == 2
        assert first is not None
        read = await store.letter(first)
        assert read is not None
        assert (read.text, read.is_read, read.received_us) == ("first", True, NOW_US)
        assert await store.unread_letters() == 1


async def test_a_removed_letter_does_not_come_again(tmp_path: Path) -> None:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        number = await store.keep_letter(letter(1), is_named=True)
        assert number is not None
        assert await store.remove_letter(number)
        assert not await store.remove_letter(number)
        assert await store.letter(number) is None
        assert await store.keep_letter(letter(1), is_named=True) is None
        assert await store.letters() == []


async def test_strangers_fill_only_their_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "LETTERS_MAX", 4)
    monkeypatch.setattr(letters, "STRANGERS_LETTERS_MAX", 2)
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        assert [await store.keep_letter(letter(n), is_named=False) for n in (1, 2)] == [1, 2]
        with pytest.raises(OverQuota):
            await store.keep_letter(letter(3), is_named=False)
        assert await store.keep_letter(letter(4), is_named=True)
        assert await store.keep_letter(letter(5), is_named=True)
        with pytest.raises(OverQuota):
            await store.keep_letter(letter(6), is_named=True)
        (last, *_) = await store.letters()
        await store.remove_letter(last.number)
        assert await store.keep_letter(letter(6), is_named=True)
