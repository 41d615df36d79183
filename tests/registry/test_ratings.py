from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import ratings
from registry.errors import InvalidRating, MalformedRecord, NotRated
from registry.listed import ModuleRating
from registry.ratings import count_install, rate, rating_of, record_of, summarise, take_back
from storage.listing import RatingRow
from tests.registry.people import (
    ALICE_DID,
    BOB_DID,
    BOB_PHONE,
    DICE,
    NOON_US,
    Record,
    rating_document,
)
from tests.registry.test_module import plain


@pytest.fixture
def bobs() -> Record:
    return Record(rating_document(record_of(DICE)), BOB_PHONE)


def row(record: Record) -> RatingRow:
    return rating_of(record.id, record.value)


def test_bob_rates_alices_dice(bobs: Record) -> None:
    bobs.edit(rate(4, "Rolls well.", now_us=NOON_US))
    assert row(bobs) == RatingRow(str(DICE), "module", BOB_DID, 4, "Rolls well.", 0, NOON_US)


def test_a_rating_is_changed_and_taken_back(bobs: Record) -> None:
    bobs.edit(rate(4, "Rolls well.", now_us=NOON_US))
    bobs.edit(rate(2, "Rolls off the table.", now_us=NOON_US + 1))
    assert (row(bobs).stars, row(bobs).review) == (2, "Rolls off the table.")
    bobs.edit(take_back(now_us=NOON_US + 2))
    assert (row(bobs).stars, row(bobs).review) == (None, "")
    with pytest.raises(NotRated):
        bobs.edit(take_back(now_us=NOON_US + 3))


def test_installs_are_counted_per_device(bobs: Record) -> None:
    bobs.edit(count_install(now_us=NOON_US))
    bobs.edit(count_install(now_us=NOON_US))
    assert bobs.value["installs"] == {BOB_PHONE.public.hex(): 2}
    assert (row(bobs).installs, row(bobs).stars) == (2, None)


def test_nobody_counts_below_nothing_or_beyond_belief(bobs: Record) -> None:
    for counted, shown in ((-7, 0), (1 << 62, ratings.INSTALLS_MAX), ("7", 0)):
        value = {"rating": {}, "installs": {"a": counted}}
        assert rating_of(bobs.id, value).installs == shown


@pytest.mark.parametrize(("stars", "review"), [(0, ""), (6, ""), (5, "r" * 4_001)])
def test_a_rating_has_bounds(stars: int, review: str) -> None:
    with pytest.raises(InvalidRating):
        rate(stars, review, now_us=NOON_US)


@pytest.mark.parametrize(
    "rating", [{"stars": 6}, {"stars": True}, {"stars": "5"}, {"review": 1}, {"updated_us": -1},
               {"review": "r" * 4_001}, []]
)  # fmt: skip
def test_a_wrong_rating_is_malformed(bobs: Record, rating: object) -> None:
    with pytest.raises(MalformedRecord):
        rating_of(bobs.id, {"rating": rating, "installs": {}})


@pytest.mark.parametrize("target", [b"org.example.dice", b"\xff", b"did:key:z6Mk/a.b", b"x/y/z"])
def test_a_rating_of_no_module_is_malformed(target: bytes) -> None:
    with pytest.raises(MalformedRecord):
        rating_of(rating_document(target), {"rating": {}, "installs": {}})


@given(st.dictionaries(st.sampled_from(["rating", "installs"]), plain))
def test_any_document_is_a_rating_or_malformed(value: dict[str, Any]) -> None:
    try:
        rating_of(rating_document(record_of(DICE)), value)
    except MalformedRecord as error:
        assert error.detail  # noqa: PT017 - two empty maps are a rating of nothing


def test_those_one_follows_are_counted_apart() -> None:
    rows = [
        RatingRow(str(DICE), "module", author, stars, "", 0, NOON_US)
        for author, stars in ((BOB_DID, 5), (ALICE_DID, 2), ("did:key:carol", None))
    ]
    assert summarise(rows, followed={BOB_DID}) == ModuleRating(3.5, 2, 5.0)
    assert summarise([]) == ModuleRating(None, 0)
