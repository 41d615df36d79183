"""Carol looks for what Alice and Bob published."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import tantivy

from crdt.change import SignedEntry
from storage import search_index
from storage.errors import BadCursor, BrokenIndex, StorageError
from storage.listings import AHEAD_US
from storage.search_index import META_FILE, Hits, SearchIndex, open_search_index
from storage.search_position import POSITION_FILE
from storage.search_schema import SCHEMA_VERSION, schema
from storage.search_wanted import SearchSort
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, named, project, rated, tagged

NASTY = [
    "a \ud800 b",
    "(a",
    "name:",
    '"open',
    "a AND",
    "[a TO",
    "*",
    "id:*",
    "   ",
    "NOT",
    "-",
    "\0",
    "é" * 999,
]
SORTS: list[SearchSort] = ["relevance", "recent", "rating", "downloads", "name"]


def published() -> list[SignedEntry]:
    texts = [
        ("io.alice.neural", "neural", "a small neural <b>network</b> of clocks"),
        ("io.alice.neural-field", "neural field", "fields of neurons"),
        ("io.alice.clock", "clock", "tells the time"),
        ("io.alice.timer", "timer", "a clock that rings"),
    ]
    entries = [
        ALICE.publishes(record, named(name, description=text, at=number))
        for number, (record, name, text) in enumerate(texts)
    ]
    document = BOB.document("io.bob.clockwork")
    entries += BOB.writes(document, named("clockwork", at=9), tagged("gears", "time"))
    return entries


@pytest.fixture
async def index(tmp_path: Path, store: Store) -> AsyncGenerator[SearchIndex]:
    await store.receive(published(), source="peer")
    async with open_search_index(tmp_path / "index", store) as opened:
        yield opened


def names(hits: Hits) -> list[str]:
    return [hit.row.listing.name for hit in hits.hits]


async def test_an_exact_name_comes_first(index: SearchIndex) -> None:
    assert names(await index.search("Neural")) == ["neural", "neural field"]
    assert names(await index.search("clock"))[0] == "clock"
    assert names(await index.search("io.alice.timer")) == ["timer"]


async def test_a_flood_from_the_future_hides_nothing(index: SearchIndex, store: Store) -> None:
    ahead = named("clock", at=NOW_US + AHEAD_US + 1)
    flood = [CAROL.publishes(f"io.carol.clock{n}", ahead) for n in range(1_005)]
    for at in range(0, len(flood), 250):
        await store.receive(flood[at : at + 250], source="peer")
    await index.catch_up()
    found = await index.search("clock", sort="recent", limit=5)
    assert [hit.row.listing.record for hit in found.hits[:4]] == [
        "io.bob.clockwork",
        "io.alice.timer",
        "io.alice.clock",
        "io.alice.neural",
    ]
    assert found.hits[4].row.listing.record.startswith("io.carol.clock")
    assert found.total >= len(flood)


async def test_a_word_may_be_only_begun(index: SearchIndex) -> None:
    assert names(await index.search("clockw")) == ["clockwork"]
    assert set(names(await index.search("neur"))) == {"neural", "neural field"}


async def test_one_typing_error_is_forgiven(index: SearchIndex) -> None:
    assert names(await index.search("nueral")) == ["neural", "neural field"]


async def test_it_narrows_by_tag_kind_and_author(index: SearchIndex) -> None:
    assert names(await index.search("gears")) == ["clockwork"]
    assert names(await index.search("time", tags=["gears"])) == ["clockwork"]
    assert names(await index.search("time", tags=["gears", "other"])) == []
    assert names(await index.search("clock", author=BOB.did)) == ["clockwork"]
    assert (await index.search("clock", kind="genome")).total == 0


async def test_snippets_are_escaped_and_marked(index: SearchIndex) -> None:
    (hit, *_) = (await index.search("network")).hits
    assert "&lt;b&gt;" in hit.snippet
    assert "<b>network</b>" in hit.snippet


@pytest.mark.parametrize("text", NASTY)
async def test_no_text_raises(index: SearchIndex, text: str) -> None:
    await index.search(text)


async def test_without_words_it_lists_the_newest(index: SearchIndex) -> None:
    hits = await index.search("")
    assert (names(hits)[0], hits.total) == ("clockwork", 5)
    assert names(await index.search("", sort="name"))[:2] == ["clock", "clockwork"]


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_neither_overlap_nor_skip(
    store: Store, index: SearchIndex, sort: SearchSort
) -> None:
    many = [ALICE.publishes(f"io.many.{n}", named(f"many {n % 7}", at=n % 5)) for n in range(60)]
    await store.receive(many, source="peer")
    await index.catch_up()
    whole = await index.search("many", sort=sort, limit=100)
    assert (whole.total, len(whole.hits), whole.next) == (60, 60, None)
    seen: list[int] = []
    cursor = None
    while True:
        page = await index.search("many", sort=sort, limit=7, cursor=cursor)
        seen += [hit.row.number for hit in page.hits]
        if (cursor := page.next) is None:
            break
    assert seen == [hit.row.number for hit in whole.hits]


async def test_a_page_is_as_long_as_was_asked_for(store: Store, index: SearchIndex) -> None:
    many = [ALICE.publishes(f"io.many.{n}", named(f"many {n}", at=n)) for n in range(130)]
    await store.receive(many, source="peer")
    await index.catch_up()
    for words in ("many", ""):
        page = await index.search(words, kind="module", limit=1_000)
        assert (len(page.hits), page.next) == (page.total, None)
        assert page.total >= 130


async def test_a_cursor_of_something_else_is_refused(index: SearchIndex) -> None:
    page = await index.search("clock", limit=1)
    assert page.next is not None
    for cursor in ("", "x", "e30=", page.next[:-4], page.next):
        with pytest.raises(BadCursor):
            await index.search("clock", sort="recent", cursor=cursor)


async def test_it_follows_the_store(store: Store, index: SearchIndex) -> None:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        caught_up: asyncio.Queue[int] = asyncio.Queue(10)
        follower = group.create_task(index.follow(caught_up.put_nowait))
        edit = named("renamed", description="same record, other name")
        await store.commit(ALICE.document("io.alice.timer"), edit, ALICE.signer)
        await caught_up.get()
        follower.cancel()
    assert await index.behind() == 0
    assert names(await index.search("renamed")) == ["renamed"]


async def test_what_comes_one_after_another_is_taken_together_and_found_all_the_same(
    store: Store, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "QUIET_S", 3_600.0)
    monkeypatch.setattr(search_index, "GATHERED_S", 3_600.0)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        follower = group.create_task(index.follow())
        for name in ("first", "second", "third"):
            await store.receive([BOB.publishes(f"io.bob.{name}", named(name))], source="bob")
        assert await index.behind() == 3, "somebody may write on"
        edit = named("fourth", description="of one's own")
        await store.commit(ALICE.document("io.alice.timer"), edit, ALICE.signer)
        assert names(await index.search("fourth")) == ["fourth"]
        follower.cancel()


async def test_however_many_come_they_are_taken_after_a_while(
    store: Store, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "QUIET_S", 3_600.0)  # as where nobody ever stops
    monkeypatch.setattr(search_index, "GATHERED_S", 0.01)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        caught_up: asyncio.Queue[int] = asyncio.Queue(10)
        follower = group.create_task(index.follow(caught_up.put_nowait))
        for name in ("first", "second"):
            await store.receive([BOB.publishes(f"io.bob.{name}", named(name))], source="bob")
            await caught_up.get()
            assert names(await index.search(name)) == [name]
        follower.cancel()


async def test_what_this_node_wrote_is_found_at_once(store: Store, index: SearchIndex) -> None:
    for name in ("first", "second"):
        edit = named(name, description="same record, other name")
        await store.commit(ALICE.document("io.alice.timer"), edit, ALICE.signer)
        assert names(await index.search(name)) == [name]


async def test_what_others_wrote_keeps_no_search_waiting(store: Store, index: SearchIndex) -> None:
    await store.receive([BOB.publishes("io.bob.late", named("late"))], source="bob")
    assert names(await index.search("late")) == []
    await index.catch_up()
    assert names(await index.search("late")) == ["late"]


async def test_ratings_move_what_is_sorted_by_them(store: Store, index: SearchIndex) -> None:
    target = f"{ALICE.did}/io.alice.neural-field"
    await store.receive(BOB.writes(BOB.document(target, cls="rate"), rated(5, 7)), source="bob")
    await index.catch_up()
    for sort in ("rating", "downloads"):
        assert names(await index.search("neural", sort=sort))[0] == "neural field"


async def test_deleted_or_damaged_it_comes_back_the_same(tmp_path: Path, store: Store) -> None:
    await store.receive(published(), source="peer")
    home = tmp_path / "index"
    queries = ["clock", "neural", "time", "clok", "neur"]

    async def answers() -> list[list[str]]:
        async with open_search_index(home, store) as index:
            return [names(await index.search(query)) for query in queries]

    before = await answers()
    shutil.rmtree(home)
    assert await answers() == before
    (directory,) = home.iterdir()
    (directory / "meta.json").write_text("{ damaged")
    assert await answers() == before
    (directory / POSITION_FILE).write_text("[]")
    assert await answers() == before
    async with open_search_index(home, store) as index:
        assert await index.rebuild() == 5
        assert [names(await index.search(query)) for query in queries] == before


async def test_the_index_of_another_store_is_not_believed(tmp_path: Path, store: Store) -> None:
    home = tmp_path / "index"
    async with (
        open_store(tmp_path / "other.db", project=project, clock_us=lambda: NOW_US) as other,
    ):
        await other.receive([BOB.publishes("io.bob.else", named("elsewhere"))], source="bob")
        async with open_search_index(home, other) as index:
            assert names(await index.search("elsewhere")) == ["elsewhere"]
    await store.receive(published(), source="peer")
    async with open_search_index(home, store) as index:
        assert names(await index.search("elsewhere")) == []
        assert names(await index.search("timer")) == ["timer"]


async def test_one_process_writes_it(tmp_path: Path, store: Store) -> None:
    async with open_search_index(tmp_path, store):
        with pytest.raises(StorageError, match="Another process"):
            async with open_search_index(tmp_path, store):
                pass


async def test_killed_amid_a_commit_it_goes_on(tmp_path: Path, store: Store) -> None:
    """Files of that commit lie there, and nothing names them; the next one wants their names."""
    home = tmp_path / "index"
    directory = home / f"search-{SCHEMA_VERSION}"
    await store.receive(published(), source="peer")
    async with open_search_index(home, store):
        pass
    before = {name: (directory / name).read_bytes() for name in (META_FILE, POSITION_FILE)}
    edit = named("timer", description="of brass")
    await store.commit(ALICE.document("io.alice.timer"), edit, ALICE.signer)
    async with open_search_index(home, store):
        pass
    assert [*directory.glob("*.del")], "what was written again is struck out where it was"

    for name, was in before.items():
        (directory / name).write_bytes(was)
    async with open_search_index(home, store) as index:
        assert await index.behind() == 0
        assert names(await index.search("brass")) == ["timer"]
        assert len((await index.search("")).hits) == 5
    kept = segments(before[META_FILE]) & segments((directory / META_FILE).read_bytes())
    assert kept, "what was whole is not made anew"


def segments(meta: bytes) -> set[str]:
    return {one["segment_id"] for one in json.loads(meta)["segments"]}


async def test_deleted_while_it_runs_it_comes_back(
    tmp_path: Path, store: Store, index: SearchIndex
) -> None:
    shutil.rmtree(tmp_path / "index")
    await store.receive([BOB.publishes("io.bob.late", named("late clock"))], source="bob")
    assert await index.catch_up() == 6
    assert set(names(await index.search("clock"))) >= {"clock", "late clock"}
    shutil.rmtree(tmp_path / "index")
    assert await index.rebuild() == 6
    assert names(await index.search("late")) == ["late clock"]


async def test_without_a_part_of_it_the_whole_is_built_again(tmp_path: Path, store: Store) -> None:
    await store.receive(published(), source="peer")
    async with open_search_index(tmp_path, store):
        pass
    (tmp_path / f"search-{SCHEMA_VERSION}" / "meta.json").unlink()
    async with open_search_index(tmp_path, store) as index:
        assert names(await index.search("timer")) == ["timer"]


async def test_while_it_cannot_be_written_it_is_behind_and_goes_on(
    tmp_path: Path, store: Store, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "RETRY_DELAY_S", 0.01)
    shutil.rmtree(tmp_path / "index")
    (tmp_path / "index").write_text("a file in its place")
    await store.receive([BOB.publishes("io.bob.late", named("late clock"))], source="bob")
    with pytest.raises(BrokenIndex):
        await index.catch_up()
    edit = named("timer", description="of mine")
    await store.commit(ALICE.document("io.alice.timer"), edit, ALICE.signer)
    assert names(await index.search("late")) == []  # an answer, if an old one
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        caught_up: asyncio.Queue[int] = asyncio.Queue(10)
        follower = group.create_task(index.follow(caught_up.put_nowait))
        await asyncio.sleep(0.05)
        assert await index.behind() > 0
        (tmp_path / "index").unlink()
        await caught_up.get()
        follower.cancel()
    assert names(await index.search("late")) == ["late clock"]


async def test_while_another_holds_it_it_is_behind_and_goes_on(
    tmp_path: Path, store: Store, index: SearchIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "RETRY_DELAY_S", 0.01)
    shutil.rmtree(tmp_path / "index")
    (tmp_path / "index").write_text("a file in its place")
    await store.receive([BOB.publishes("io.bob.late", named("late clock"))], source="bob")
    with pytest.raises(BrokenIndex):
        await index.catch_up()
    (tmp_path / "index").unlink()
    directory = tmp_path / "index" / f"search-{SCHEMA_VERSION}"
    directory.mkdir(parents=True)
    theirs = tantivy.Index(schema(), path=str(directory)).writer(search_index.HEAP_BYTES)
    with pytest.raises(BrokenIndex, match="Another process is writing"):
        await index.catch_up()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        caught_up: asyncio.Queue[int] = asyncio.Queue(10)
        follower = group.create_task(index.follow(caught_up.put_nowait))
        await asyncio.sleep(0.05)
        assert not follower.done()
        theirs.wait_merging_threads()
        await caught_up.get()
        follower.cancel()
    assert names(await index.search("late")) == ["late clock"]
