"""The order of what is found: a function of the records, whatever the index went through."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from random import Random

import pytest
import tantivy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt.keys import COMMONS, NamespaceKey
from storage import search_tiers
from storage.errors import BadCursor
from storage.facts import Facts
from storage.listing import Listing
from storage.listings import ListedRow
from storage.search_cursor import encode_cursor
from storage.search_facets import VALUES_ASKED, VALUES_MAX
from storage.search_query import Asked, FoundPage, search
from storage.search_schema import in_order, schema, to_document
from storage.search_tiers import Tier
from storage.search_wanted import SearchSort, Wanted

SORTS: tuple[SearchSort, ...] = ("relevance", "recent", "rating", "downloads", "fitness", "name")
QUERIES = ("clock", "Clock gear", "clo", "clcok", "gear absentword", "神经", "", "e")
VOCABULARY = ("clock", "gear", "neural", "cell", "glider", "神经网络", "café", "clockwork")


def row(
    number: int,
    name: str,
    description: str = "",
    *,
    tags: tuple[str, ...] = (),
    record: str = "",
    installs: int = 0,
    stars: Sequence[int] = (),
    at: int = 0,
    kind: str = "module",
    card: str = "",
    namespace: NamespaceKey = COMMONS,
) -> ListedRow:
    listing = Listing(
        kind, "did:key:zAlice", record or f"io.{name}", name, description, tags, card, at, at, b"{}"
    )
    return ListedRow(number, listing, sum(stars), len(stars), installs, namespace)


def index_of(rows: Iterable[ListedRow], facts: Mapping[int, Facts] | None = None) -> tantivy.Index:
    """In memory, all in one commit."""
    index = tantivy.Index(schema())
    writer = index.writer(15_000_000, num_threads=1)
    for one in rows:
        writer.add_document(to_document(one, (facts or {}).get(one.number, Facts())))
    writer.commit()
    index.reload()
    return index


def found(index: tantivy.Index, text: str, rows: Sequence[ListedRow]) -> list[str]:
    names = {one.number: one.listing.name for one in rows}
    return [names[one.number] for one in search(index, Wanted(text), 100, None).found]


def pages(index: tantivy.Index, wanted: Wanted, limit: int) -> Iterator[FoundPage]:
    cursor = None
    while True:
        page = search(index, wanted, limit, cursor)
        yield page
        if (cursor := page.next) is None:
            return


# ── the same order everywhere ────────────────────────────────────────────────────────────────────


def population(seed: int, count: int) -> list[ListedRow]:
    random = Random(seed)
    made: list[ListedRow] = []
    for number in range(count):
        words = random.choices(VOCABULARY, k=4)
        made.append(
            row(
                number,
                " ".join(words[:2]) if number % 3 else words[0],
                " ".join(words),
                tags=tuple({random.choice(VOCABULARY)}),
                record=f"io.example.n{number}",
                installs=random.choice((0, 0, 0, 3, 200)),
                stars=random.choice(((), (5,), (1, 2))),
                at=number % 4,
                kind=random.choice(("module", "genome")),
            )
        )
    return made


def history(rows: Sequence[ListedRow], seed: int) -> tantivy.Index:
    """The same rows by another way: in another order, in many commits, some of them replaced or
    dropped in between, some segments merged; the numbers of documents are others too.
    """
    random = Random(seed)
    index = tantivy.Index(schema())
    writer = index.writer(15_000_000, num_threads=1)
    ghosts = [row(10_000 + n, "clock clock", "clock " * 9) for n in range(len(rows) // 2)]
    for one in random.sample([*rows, *ghosts], len(rows) + len(ghosts)):
        if random.random() < 0.3:
            writer.add_document(to_document(one, facts_of(one)))
            writer.commit()
            writer.delete_documents_by_term("id", str(one.number))
        writer.add_document(to_document(one, facts_of(one)))
        if random.random() < 0.2:
            writer.commit()
    for ghost in ghosts:
        writer.delete_documents_by_term("id", str(ghost.number))
    writer.commit()
    if random.random() < 0.5:
        writer.wait_merging_threads()
    index.reload()
    return index


def facts_of(one: ListedRow) -> Facts:
    fitness = None if one.number % 3 else float(one.number % 5)
    return Facts(("imports -",), ("mit",), "rle", 100 + one.number % 7, fitness)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1 << 32), count=st.integers(1, 30), limit=st.integers(3, 9))
@example(seed=1, count=40, limit=4)
def test_two_nodes_with_the_same_records_give_the_same_pages(
    seed: int, count: int, limit: int
) -> None:
    rows = population(seed, count)
    one = index_of(rows, {each.number: facts_of(each) for each in rows})
    other = history(rows, seed + 1)
    for text in QUERIES:
        for sort in SORTS if text in ("clock", "") else SORTS[:1]:
            wanted = Wanted(text, sort=sort, facets=("tag", "kind"), horizon_us=2)
            first, second = pages(one, wanted, limit), pages(other, wanted, limit)
            for page, same in zip(first, second, strict=True):
                assert page == same, (text, sort)


@pytest.mark.parametrize("seed", range(4))
def test_what_the_dictionary_knows_only_saves_questions(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiers are left out where they can have nothing of their own: they are never missed."""
    index = history(population(seed, 40), seed)
    texts = (*QUERIES, "clock glider", "gear clo", "io example n7", "neural", "clockwork clock")
    wanted = [Wanted(text, kind=kind) for text in texts for kind in (None, "genome")]
    made: list[int] = []
    numbers = itertools.count(1)

    def noted(points: int, query: tantivy.Query) -> Tier:
        made.append(points)
        return Tier(points, query)

    def counted(attempts: object, field: str, word: str) -> int:
        return next(numbers)

    def answers() -> list[list[FoundPage]]:
        return [[*pages(index, one, 4)] for one in wanted]

    monkeypatch.setattr(search_tiers, "Tier", noted)
    fewer, saved = answers(), len(made)
    made.clear()
    monkeypatch.setattr(search_tiers.Attempts, "_count", counted)
    assert answers() == fewer
    assert saved < len(made)


def test_once_all_are_found_no_wider_tier_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who types a name in full pays for how many there are and for the name."""
    rows = [row(1, "clock gear", "of a tower"), row(2, "cell", "a clock"), row(3, "glider")]
    index = index_of(rows)
    asked: list[str] = []
    ask = Asked._search  # pyright: ignore[reportPrivateUsage]  # to count what the index is asked

    def noted(
        self: Asked, query: tantivy.Query, column: str, is_down: bool, limit: int, **more: bool
    ) -> tantivy.SearchResult:
        asked.append(column)
        return ask(self, query, column, is_down, limit, **more)

    monkeypatch.setattr(Asked, "_search", noted)
    assert found(index, "clock gear", rows) == ["clock gear"]
    assert len(asked) == 2
    assert found(index, "clock", rows) == ["clock gear", "cell"], "the wider one has more"


@pytest.mark.parametrize("sort", SORTS)
def test_pages_hold_each_record_once_in_the_order_of_one_long_page(sort: SearchSort) -> None:
    rows = population(5, 60)
    index = index_of(rows)
    for text in ("clock", "cell gear", ""):
        wanted = Wanted(text, sort=sort, horizon_us=2)
        whole = search(index, wanted, 1_000, None)
        seen = [one for page in pages(index, wanted, 7) for one in page.found]
        assert seen == [*whole.found], text
        assert len({one.number for one in seen}) == len(seen) == whole.total


# ── which order ──────────────────────────────────────────────────────────────────────────────────


def test_where_a_word_stands_says_how_much_it_counts() -> None:
    rows = [
        row(1, "toolbox", "all sorts of things", card="It also makes a clock."),
        row(2, "sundial", "a clock of shadows"),
        row(3, "sandglass", "of sand", tags=("clock",)),
        row(4, "clock radio", "wakes you up"),
        row(5, "clock", "tells the time"),
        row(6, "clockwork", "many gears"),
    ]
    order = found(index_of(rows), "clock", rows)
    assert order[:3] == ["clock", "clock radio", "sandglass"]
    assert set(order[3:5]) == {"sundial", "toolbox"}
    assert order[5] == "clockwork", "a word only begun comes after whole ones"


def test_what_many_people_took_outweighs_where_the_word_stands() -> None:
    rows = [
        row(1, "http", "types of the web"),
        row(2, "http toys", "not much"),
        row(3, "hyper", "an http client that everybody uses", installs=1_000_000),
        row(4, "reqwest", "an http client that some use", installs=20),
    ]
    assert found(index_of(rows), "http", rows) == ["http", "hyper", "http toys", "reqwest"]


def test_stars_move_a_record_among_its_like() -> None:
    rows = [
        row(1, "neural a", stars=(1, 1, 1, 1)),
        row(2, "neural b"),
        row(3, "neural c", stars=(5, 5, 5, 5, 5)),
    ]
    assert found(index_of(rows), "neural", rows) == ["neural c", "neural b", "neural a"]


def test_a_slip_is_forgiven_in_every_field_and_said() -> None:
    rows = [row(1, "neural field", "fields of neurons"), row(2, "pond", "a watery glider zoo")]
    index = index_of(rows)
    for slip, name in (("nueral", "neural field"), ("glidr", "pond"), ("neural feild", "neural")):
        page = search(index, Wanted(slip), 10, None)
        assert page.matched == "slips", slip
        assert found(index, slip, rows)[0].startswith(name), slip
    assert search(index, Wanted("pnd"), 10, None).matched == "none", "three letters are too few"


def test_where_no_record_has_all_words_most_of_them_do() -> None:
    rows = [row(1, "cell", "of a hive"), row(2, "cell clock", "of a city"), row(3, "gear", "turns")]
    index = index_of(rows)
    page = search(index, Wanted("cell clock gear"), 10, None)
    assert page.matched == "some"
    assert found(index, "cell clock gear", rows) == ["cell clock"]
    assert set(found(index, "gear absent missing hive", rows)) == {"gear", "cell"}


def test_scripts_without_spaces_are_found_by_their_parts() -> None:
    rows = [row(1, "甲", "一个小型神经网络库"), row(2, "乙", "天气预报"), row(3, "ภาษา", "ภาษาไทย")]
    index = index_of(rows)
    assert found(index, "神经网络", rows) == ["甲"]
    assert found(index, "报", rows) == ["乙"]
    assert found(index, "ไทย", rows) == ["ภาษา"]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Café", "cafe"),
        ("Straße", "STRASSE"),
        ("ﬁnder", "finder"),
        ("مَرْحَبًا", "مرحبا"),
        ("Ｎｅｕ", "neu"),
    ],
)
def test_one_text_in_several_forms_is_one_word(written: str, asked: str) -> None:
    rows = [row(1, written), row(2, "other")]
    index = index_of(rows)
    assert found(index, asked, rows) == [written]
    assert found(index, written, rows) == [written]


# ── filters and facets ───────────────────────────────────────────────────────────────────────────


def test_facts_narrow_by_what_a_record_is() -> None:
    rows = [row(1, "one"), row(2, "two"), row(3, "three")]
    facts = {
        1: Facts(("exports hash", "exports hash(i32) -> i32"), ("mit",), "", 100),
        2: Facts(("exports hash", "imports -"), ("mit", "apache-2.0"), "", 5_000),
        3: Facts((), (), "rle", None, 2.5),
    }
    index = index_of(rows, facts)

    def numbers(wanted: Wanted) -> set[int]:
        return {one.number for one in search(index, wanted, 10, None).found}

    assert numbers(Wanted(terms=("exports hash",))) == {1, 2}
    assert numbers(Wanted(terms=("exports hash", "imports -"))) == {2}
    assert numbers(Wanted(terms=("exports hash(i32) -> i32",))) == {1}
    assert numbers(Wanted(licenses=("apache-2.0",))) == {2}
    assert numbers(Wanted(format="rle")) == {3}
    assert numbers(Wanted(size_min=101)) == {2}
    assert numbers(Wanted(size_max=4_999)) == {1}, "what has no size is in no range of sizes"
    best = search(index, Wanted(sort="fitness"), 10, None)
    assert best.found[0].number == 3


@given(st.lists(st.floats(), min_size=2))
def test_numbers_keep_their_order_as_columns(values: list[float]) -> None:
    ordered = sorted(value for value in values if not math.isnan(value))
    columns = [in_order(value) for value in ordered]
    assert columns == sorted(columns)
    assert all(0 < each < 1 << 63 for each in columns)
    assert in_order(float("nan")) == in_order(None) == 0


def test_facets_count_what_matches_under_every_filter() -> None:
    rows = [
        row(n, f"clock {n}", tags=("time", "gears") if n % 2 else ("time",), kind=kind)
        for n, kind in enumerate(["module", "module", "module", "genome", "genome"])
    ]
    rows.append(row(9, "other", tags=("time",)))
    index = index_of(rows)

    def counts(wanted: Wanted) -> dict[str, tuple[tuple[str, int], ...]]:
        return search(index, wanted, 1, None).facets

    both = counts(Wanted("clock", facets=("tag", "kind")))
    assert both == {
        "tag": (("time", 5), ("gears", 2)),
        "kind": (("module", 3), ("genome", 2)),
    }
    narrowed = counts(Wanted("clock", kind="genome", tags=("gears",), facets=("tag", "kind")))
    assert narrowed["tag"] == (("gears", 1), ("time", 1))
    assert narrowed["kind"] == (("genome", 1), ("module", 1)), "what other kinds would give"
    assert counts(Wanted(facets=("tag",)))["tag"][0] == ("time", 6)


def test_facets_are_exact_where_there_are_more_values_than_are_asked_for() -> None:
    """In two segments, each with its own many; some values are frequent in both together only."""
    index = tantivy.Index(schema())
    writer = index.writer(15_000_000, num_threads=1)
    number = 0
    for part in range(2):
        for value in range(VALUES_ASKED + 200):
            for _ in range(2 if value < VALUES_MAX + 5 else 1):
                number += 1
                shared = (f"both{value:04}",) if value > VALUES_ASKED else ()
                tags = (f"p{part}v{value:04}", *shared)
                writer.add_document(to_document(row(number, "clock", tags=tags), Facts()))
        writer.commit()
    index.reload()
    counted = search(index, Wanted("clock", facets=("tag",)), 1, None).facets["tag"]
    assert len(counted) == VALUES_MAX
    assert {count for _, count in counted} == {2}
    assert [value for value, _ in counted] == sorted(value for value, _ in counted)
    assert counted[0] == ("both1001", 2)


# ── bad input ────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
@example('name:* OR (("')
@example('+-&&||!(){}[]^"~*?:\\/')
@example("\ud800")
@example("ﷺ" * 600)
@example("a" * 10_000)
@example("word " * 2_000)
@example("👩‍👩‍👧‍👦 \u202eabc\u0301\u0301\u0301")
def test_no_text_raises(text: str) -> None:
    search(SMALL, Wanted(text, facets=("tag",)), 5, None)


@given(st.text(max_size=60))
def test_no_cursor_but_ours_is_taken(cursor: str) -> None:
    with pytest.raises(BadCursor):
        search(SMALL, Wanted("clock"), 5, cursor)


@pytest.mark.parametrize(
    "key",
    [(-1, 0, 0), (1 << 70, 0, 0), (0, 1 << 63, 0), (0, 0, 1 << 63), (0, 0), (0, 0, 0, 0)],
)
def test_a_cursor_out_of_range_is_refused(key: tuple[int, ...]) -> None:
    with pytest.raises(BadCursor):
        search(SMALL, Wanted("clock"), 5, encode_cursor(key, "relevance"))


@settings(max_examples=40, deadline=None)
@given(value=st.integers(0, 1 << 64), tie=st.integers(0, (1 << 63) - 1))
def test_any_place_to_go_on_from_is_only_a_place(value: int, tie: int) -> None:
    for sort in SORTS:
        search(SMALL, Wanted("clock", sort=sort), 5, encode_cursor((value, tie, 2), sort))


SMALL = index_of(population(3, 20))
