"""A write that is repeated gets the answer it had."""

from pathlib import Path

from storage.answers import KEPT_US, Answer
from storage.store import open_store
from tests.storage.people import NOW_US, project


async def test_an_answer_is_kept_for_a_day(tmp_path: Path) -> None:
    now_us = NOW_US
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: now_us) as store:
        await store.remember_answer("key", Answer(b"digest", 201, b"{}"))
        assert await store.answer_to("key") == Answer(b"digest", 201, b"{}")
        assert await store.answer_to("other") is None
        now_us += KEPT_US
        assert await store.answer_to("key") is None
