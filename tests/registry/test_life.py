import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.change import DocumentId
from registry import genome, lineage, seed
from registry.content import CONTENT_BYTES_MAX, TEXT_BYTES_MAX, Content, media_type, parse_identity
from registry.errors import InvalidName, InvalidRecord, MalformedRecord, RegistryError
from registry.genome import Genome, genome_of, publish_genome
from registry.head import Words
from registry.lineage import Legend, Lineage, lineage_of, parse_lineage_id, publish_lineage
from registry.listings import project
from registry.published import shown, tags_split
from registry.ratings import count_install, rate, rating_of, record_of
from registry.seed import Seed, publish_seed, seed_of
from storage.listing import Listing
from tests.registry.life import (
    ARENA,
    ARENAS,
    CONFIG,
    GENOTYPE,
    LINE,
    LINEAGE_ID,
    WALKER,
    WALKERS,
    WORDS,
    arena,
    document_of,
    dynasty,
    walker,
)
from tests.registry.people import (
    ALICE_DID,
    BOB,
    BOB_PHONE,
    DAY_US,
    NOON_US,
    Record,
    rating_document,
)
from tests.registry.test_module import plain


def listed(record: Record) -> Listing:
    row = project(record.id, record.value)
    assert isinstance(row, Listing)
    return row


def test_a_genome_has_the_fields_of_the_galactic_federation_and_ours() -> None:
    record = walker()
    found = genome_of(record.id, record.value)
    assert (found.id, found.lineage_id, found.author) == (WALKER.id, LINEAGE_ID, "alice")
    assert (found.name, found.description, found.tags) == ("Walker", "Walks.", "fast,gait")
    assert (found.fitness_score, found.offspring_count, found.tick) == (12.5, 7, 1_200)
    assert (found.author_did, found.tag_list, found.license) == (ALICE_DID, ("fast", "gait"), "MIT")
    assert found.parents == ((bytes([9]) * 32).hex(),)
    row = listed(record)
    assert (row.kind, row.record, row.content) == ("genome", WALKER.id, GENOTYPE.decode())
    (blob,) = row.blobs
    assert (row.score, row.tick, blob.id) == (12.5, 1_200, WALKER.blob.hex())
    assert (blob.size, blob.at_us) == (found.size, row.created_us)
    for word in ("alice", LINEAGE_ID, "Long card", "primordium-genotype", "walker.txt"):
        assert word in row.text
    beside = {"genotype": row.content, "downloads": 3}
    read = msgspec.json.decode(shown(row.fields, beside), type=Genome)
    assert (read.genotype, read.downloads, read.created_at) == (
        GENOTYPE.decode(), 3, "2026-01-01T12:00:00Z",
    )  # fmt: skip
    assert msgspec.json.decode(row.fields, type=Genome) == found


def test_a_seed_has_the_fields_of_the_galactic_federation() -> None:
    record = arena()
    found = seed_of(record.id, record.value)
    assert (found.id, found.author, found.max_pop) == (ARENA.id, "alice", 900)
    assert (found.avg_tick_time, found.performance_summary) == (0.4, "It runs.")
    row = listed(record)
    assert (row.kind, row.score, row.content) == ("seed", 900.0, CONFIG.decode())
    assert msgspec.json.decode(row.fields, type=Seed) == found


def test_a_lineage_is_what_the_hall_of_fame_lists() -> None:
    record = dynasty()
    found = lineage_of(record.id, record.value)
    assert (found.id, found.civilization_level, found.is_extinct) == (LINEAGE_ID, 4, False)
    assert (found.best_genotype, found.parent) == (WALKER.id, "the-first")
    assert found.legends == (Legend(700, "outlived a drought", WALKER.id),)
    row = listed(record)
    assert (row.kind, row.score, row.tick, row.blobs) == ("lineage", 4.0, 10, ())
    assert "outlived a drought" in row.text
    assert msgspec.json.decode(row.fields, type=Lineage) == found


def test_what_is_said_already_changes_nothing_and_what_is_new_is_dated() -> None:
    record = walker()
    later = NOON_US + DAY_US
    assert record.edit(publish_genome(WALKER, WORDS, WALKERS, now_us=later)) is None
    fitter = replace(WALKERS, fitness_score=13.0)
    assert record.edit(publish_genome(WALKER, WORDS, fitter, now_us=later)) is not None
    row = listed(record)
    assert (row.score, row.created_us, row.updated_us) == (13.0, NOON_US, later)
    record.edit(publish_genome(WALKER, replace(WORDS, tags=()), fitter, now_us=NOON_US))
    assert listed(record).tags == ()
    assert listed(record).updated_us == later + 1  # the clock went back, the time does not


def test_a_card_is_kept_unless_another_is_given() -> None:
    record = walker()
    record.edit(publish_genome(WALKER, replace(WORDS, card=None), WALKERS, now_us=NOON_US))
    assert genome_of(record.id, record.value).card == WORDS.card


def test_the_largest_genome_fits_one_change() -> None:
    content = Content.of(b"a1" * (TEXT_BYTES_MAX // 2), file="f" * 128)
    words = Words(
        "n" * 64, "d" * 1_000, "", "c" * 20_480, tuple("t" * 30 + c for c in "0123456789")
    )
    facts = replace(WALKERS, by="b" * 128, parents=(bytes(32),) * 16)
    record = Record(document_of("gen", content.identity))
    raw = record.edit(publish_genome(content, words, facts, now_us=NOON_US))
    assert raw is not None
    assert listed(record).content == "a1" * (TEXT_BYTES_MAX // 2)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a\0b", b"x" * (TEXT_BYTES_MAX + 1), b""])
def test_only_short_text_stands_in_the_document(data: bytes) -> None:
    assert Content.of(data).text == ""


def test_a_text_of_another_hash_is_nobodys_genome() -> None:
    record = walker()
    value = copy.deepcopy(record.value)
    value["body"]["text"] = "00"
    with pytest.raises(MalformedRecord, match="another hash"):
        genome_of(record.id, value)


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: walker(facts=replace(WALKERS, fitness_score=math.nan)), "/fitness_score"),
    (lambda: walker(facts=replace(WALKERS, fitness_score=math.inf)), "/fitness_score"),
    (lambda: walker(facts=replace(WALKERS, offspring_count=-1)), "/offspring_count"),
    (lambda: walker(facts=replace(WALKERS, offspring_count=1 << 32)), "/offspring_count"),
    (lambda: walker(facts=replace(WALKERS, tick=1 << 63)), "/tick"),
    (lambda: walker(facts=replace(WALKERS, by="a\nb")), "/author"),
    (lambda: walker(facts=replace(WALKERS, lineage="l" * 129)), "/lineage_id"),
    (lambda: walker(facts=replace(WALKERS, parents=(b"no",))), "/parents"),
    (lambda: walker(facts=replace(WALKERS, parents=(bytes(32),) * 17)), "/parents"),
    (lambda: walker(replace(WORDS, name="n" * 65)), "/name"),
    (lambda: walker(replace(WORDS, description="\u202e")), "/description"),
    (lambda: walker(replace(WORDS, license="not a licence!")), "/license"),
    (lambda: walker(replace(WORDS, card="c" * 20_481)), "/card"),
    (lambda: walker(replace(WORDS, tags=tuple(map(str, range(17))))), "/tags"),
    (lambda: walker(replace(WORDS, tags=("",))), "/tags/0"),
    (lambda: walker(replace(WORDS, tags=("ok", "t" * 33))), "/tags/1"),
    (lambda: publish_genome(Content.of(b""), WORDS, WALKERS, now_us=0), "/content"),
    (
        lambda: publish_genome(
            replace(WALKER, size=CONTENT_BYTES_MAX + 1), WORDS, WALKERS, now_us=0
        ),
        "/content",
    ),
    (lambda: publish_genome(replace(WALKER, format="A b"), WORDS, WALKERS, now_us=0), "/format"),
    (lambda: publish_genome(replace(WALKER, file="../x"), WORDS, WALKERS, now_us=0), "/file"),
    (lambda: publish_seed(ARENA, WORDS, replace(ARENAS, max_pop=-1), now_us=0), "/max_pop"),
    (
        lambda: publish_seed(ARENA, WORDS, replace(ARENAS, avg_tick_time=math.nan), now_us=0),
        "/avg_tick_time",
    ),
    (
        lambda: publish_seed(
            ARENA, WORDS, replace(ARENAS, performance_summary="s" * 4_097), now_us=0
        ),
        "/performance_summary",
    ),
    (
        lambda: publish_lineage(WORDS, replace(LINE, civilization_level=1 << 32), now_us=0),
        "/civilization_level",
    ),
    (lambda: publish_lineage(WORDS, replace(LINE, best_genotype=b"x"), now_us=0), "/best_genotype"),
    (lambda: publish_lineage(WORDS, replace(LINE, parent="a/b"), now_us=0), "/parent"),
    (
        lambda: publish_lineage(WORDS, replace(LINE, legends=(Legend(0, ""),) * 65), now_us=0),
        "/legends",
    ),
    (
        lambda: publish_lineage(WORDS, replace(LINE, legends=(Legend(1, "", "xy"),)), now_us=0),
        "/legends/0/genome",
    ),
    (
        lambda: publish_lineage(
            WORDS, replace(LINE, legends=(Legend(1, "ü" * 200),) * 64), now_us=0
        ),
        "/legends",
    ),
]


@pytest.mark.parametrize(("make", "pointer"), WRONG)
def test_what_is_wrong_is_refused_with_its_place(make: Callable[[], object], pointer: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        make()
    assert [one.pointer for one in refused.value.problems] == [pointer]


@pytest.mark.parametrize("record", [b"", b"short", bytes(31), bytes(33)])
@pytest.mark.parametrize("kind", ["gen", "seed"])
def test_a_record_that_is_no_hash_is_malformed(kind: str, record: bytes) -> None:
    with pytest.raises(MalformedRecord):
        project(document_of(kind, record or b"\0"), walker().value)


@pytest.mark.parametrize(
    ("key", "wrong"),
    [("size", True), ("size", -1), ("size", CONTENT_BYTES_MAX + 1), ("blob", b"short"),
     ("format", "A"), ("file", "a/b"), ("by", 7), ("fitness_score", "9"), ("tick", 1.5),
     ("fitness_score", math.nan), ("offspring_count", 1 << 32), ("parents", b"x"),
     ("anonymous", 1), ("text", "\ud800"), ("lineage", "a\u202eb")],
)  # fmt: skip
def test_a_wrong_body_is_malformed(key: str, wrong: object) -> None:
    record = walker()
    value = copy.deepcopy(record.value)
    value["body"][key] = wrong
    with pytest.raises(MalformedRecord):
        genome_of(record.id, value)


@pytest.mark.parametrize(
    "rows", [[[1, "r", b"x"]], [[-1, "r", b""]], [[1, "a\nb", b""]], [[1, "r", b""]] * 65, ["no"]]
)
def test_wrong_legends_are_malformed(rows: list[Any]) -> None:
    record = dynasty()
    value = copy.deepcopy(record.value)
    value["body"]["legends"] = cbor.encode(rows)
    with pytest.raises(MalformedRecord):
        lineage_of(record.id, value)


READERS: list[tuple[DocumentId, Callable[[DocumentId, Any], object], Record]] = [
    (document_of("gen", WALKER.identity), genome_of, walker()),
    (document_of("seed", ARENA.identity), seed_of, arena()),
    (document_of("lin", b"one"), lineage_of, dynasty()),
]


@given(st.sampled_from(READERS), st.dictionaries(st.sampled_from(["head", "tags", "body"]), plain))
def test_any_document_is_read_or_malformed(
    reader: tuple[DocumentId, Callable[[DocumentId, Any], object], Record], value: dict[str, Any]
) -> None:
    id, read, _ = reader
    with pytest.raises(MalformedRecord):
        read(id, value)


@given(st.sampled_from(READERS), st.data())
def test_one_field_of_anything_is_read_or_malformed(
    reader: tuple[DocumentId, Callable[[DocumentId, Any], object], Record], data: st.DataObject
) -> None:
    id, read, record = reader
    value = copy.deepcopy(record.value)
    root = data.draw(st.sampled_from(["head", "body"]))
    value[root][data.draw(st.sampled_from(sorted(value[root])))] = data.draw(plain)
    try:
        found = read(id, value)
    except MalformedRecord as error:
        assert error.detail  # noqa: PT017 - some fields may be anything
    else:
        msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("kind", "target"),
    [("gen", f"{ALICE_DID}/{WALKER.id}"), ("seed", f"{ALICE_DID}/{ARENA.id}"),
     ("lin", f"{ALICE_DID}/Linné-2")],
)  # fmt: skip
def test_bob_rates_them_and_his_downloads_count_once(kind: str, target: str) -> None:
    document = replace(rating_document(record_of(target), BOB), kind=kind)
    bobs = Record(document, BOB_PHONE)
    bobs.edit(rate(4, "Walks.", now_us=NOON_US))
    bobs.edit(count_install(now_us=NOON_US))
    bobs.edit(count_install(now_us=NOON_US))
    row = rating_of(bobs.id, bobs.value)
    assert (row.target, row.stars, row.installs) == (target, 4, 1)
    assert row.kind in ("genome", "seed", "lineage")


@pytest.mark.parametrize(
    ("kind", "record"),
    [("gen", f"{ALICE_DID}/abc"), ("gen", WALKER.id), ("seed", f"x/{ARENA.id}"),
     ("lin", f"{ALICE_DID}/"), ("lin", f"{ALICE_DID}/a/b"), ("gen", "\xff")],
)  # fmt: skip
def test_a_rating_of_what_is_none_is_malformed(kind: str, record: str) -> None:
    document = replace(rating_document(record.encode("latin-1"), BOB), kind=kind)
    with pytest.raises(MalformedRecord):
        rating_of(document, {"rating": {}, "installs": {}})


def test_ids_are_read_or_refused() -> None:
    assert parse_identity(WALKER.id) == WALKER.id
    for wrong in ("", WALKER.id.upper(), WALKER.id[:-1], WALKER.id + "0"):
        with pytest.raises(InvalidName):
            parse_identity(wrong)


@given(st.text(max_size=140))
def test_any_text_is_an_id_of_a_lineage_or_refused(text: str) -> None:
    try:
        assert parse_lineage_id(text) == text
    except RegistryError as error:
        assert "lineage" in error.detail  # noqa: PT017 - most texts are fine
    else:
        assert "/" not in text


def test_tags_of_one_text_come_apart() -> None:
    assert tags_split(" test, phase70 ,,test") == ("test", "phase70")
    assert tags_split("") == ()


def test_nothing_is_handed_out_as_a_page() -> None:
    words = ("unknown", "rle", "lenia", "primordium-config", "text-html")
    media = {media_type(word, is_text=is_text) for word in words for is_text in (True, False)}
    assert not [one for one in media if "html" in one or "svg" in one or "xml" in one]


def test_documents_of_another_kind_are_none_of_these() -> None:
    for read in (genome_of, seed_of, lineage_of):
        with pytest.raises(MalformedRecord):
            read(document_of("mod", b"io.x"), {})
    assert (genome.WORD, seed.WORD, lineage.WORD) == ("genome", "seed", "lineage")
