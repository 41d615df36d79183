"""Items that are the same bytes: one of them leads, and what the others say is kept."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from registry.formats import Format, Found, Place, merged
from registry.formats.merging import CARD_BYTES_MAX
from registry.formats.primordium_tables import Row, read_tables
from registry.head import Words, check_words
from tests.registry.formats import files

DNA = files.GENOTYPE.decode()


def test_a_submission_that_is_the_best_of_a_lineage_keeps_what_it_says() -> None:
    submitted: Row = {
        "genotype": DNA, "author": "ann", "name": "Swift", "description": "Runs far.",
        "tags": "fast", "fitness_score": 1.5, "offspring_count": 2, "tick": 9, "downloads": 3,
    }  # fmt: skip
    tables: dict[str, dict[int, Row]] = {
        "lineages": {1: {"id": "lin", "best_genotype": DNA}},
        "fossils": {1: {"lineage_id": "lin", "tick": 5, "genotype": DNA, "legend_reason": "Gone"}},
        "genome_submissions": {1: submitted, 2: {**submitted, "name": "Swift 2", "author": "bob",
                                                 "fitness_score": 9.5, "description": ""}},
    }  # fmt: skip
    lineage, genome = merged(read_tables(tables, "registry.db").found)
    assert lineage.found.best_genotype == genome.found.identity
    assert not lineage.others
    found = genome.found
    assert (found.name, found.by, found.fitness_score) == ("Swift 2", "bob", 9.5)
    assert found.description == "Gone"  # the first of the others that has one
    assert set(found.tags) == {"primordium", "fast", "fossil"}
    assert [str(each.place) for each in genome.others] == [
        "lineages, row 1", "fossils, row 1", "genome_submissions, row 1",
    ]  # fmt: skip
    card = genome.card("registry.db")
    assert "stand in registry.db 4 times" in card
    for said in ("“Best of lin”", "“Fossil of lin”", "“Swift”, by ann", "fitness 1.5, offspring 2",
                 "tick 9", "Runs far.", "downloads elsewhere 3"):  # fmt: skip
        assert said in card
    check_words(Words(found.name, found.description, "", card, found.tags))


def test_of_equals_the_first_leads_and_different_kinds_stay_apart() -> None:
    one = Found(kind="genome", format=Format.UNKNOWN, data=b"a", name="first")
    seed = replace(one, kind="seed")
    two = replace(one, name="second")
    other = replace(one, data=b"b", name="other")
    assert [(each.found.name, len(each.others)) for each in merged([one, seed, two, other])] == [
        ("first", 1), ("first", 0), ("other", 0),
    ]  # fmt: skip


def test_lineages_are_never_merged_by_their_bytes() -> None:
    lineage = Found(kind="lineage", format=Format.PRIMORDIUM_REGISTRY, data=b"", name="a")
    assert len(merged([lineage, replace(lineage, name="b")])) == 2


@given(st.lists(st.tuples(st.binary(max_size=1), st.text(max_size=9)), max_size=9))
def test_nothing_is_lost_and_nothing_twice(given: list[tuple[bytes, str]]) -> None:
    items = [
        Found(kind="genome", format=Format.UNKNOWN, data=data, name=name, place=Place(line=line))
        for line, (data, name) in enumerate(given, 1)
    ]
    groups = merged(items)
    lines = [each.place.line for group in groups for each in (group.found, *group.others)]
    assert sorted(line or 0 for line in lines) == list(range(1, len(items) + 1))
    assert len({group.found.identity for group in groups}) == len(groups)


def test_a_card_has_an_end() -> None:
    item = Found(kind="genome", format=Format.UNKNOWN, data=b"a", name="x", description="y" * 900)
    (group,) = merged([item] * 5_000)
    card = group.card("many.db")
    assert len(card.encode()) <= CARD_BYTES_MAX + 100
    assert card.endswith("more\n")
