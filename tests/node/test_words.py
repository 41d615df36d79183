"""Rights in words, areas as people write them."""

import pytest

from crdt.area import Area
from crdt.capability import READ, WRITE, delegate, own
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.entry import tai_from_unix_us
from crdt.keys import AuthorKey, is_communal
from node.errors import BadRequest, NotFound
from node.words import area_text, area_words, capability_words, parse_area, parse_moment

ALICE = SigningKey.from_seed(bytes([1]) * 32)
BOB = SigningKey.from_seed(bytes([2]) * 32)
POND = next(
    key
    for key in (SigningKey.from_seed(bytes([3, n]) * 16) for n in range(9))
    if not is_communal(key.public)
)
NAMES = {ALICE.public: "alice", BOB.public: "bob", POND.public: "pond"}
PETNAMES = {"alice": encode_did_key(ALICE.public)}
HERS = AuthorKey(ALICE.public)
NEW_YEAR = tai_from_unix_us(1_798_761_600_000_000)  # 2027-01-01


@pytest.mark.parametrize(
    ("text", "area", "words"),
    [
        ("", Area(), "everything of everyone"),
        ("*", Area(), "everything of everyone"),
        ("alice", Area(HERS), "everything of alice"),
        ("*/pub", Area(None, (b"pub",)), "everything published of everyone"),
        ("alice/pub/mod", Area(HERS, (b"pub", b"mod")), "all modules of alice"),
        ("/pub/uni", Area(None, (b"pub", b"uni")), "all universes of everyone"),
        (
            "alice/pub/uni/earth",
            Area(HERS, (b"pub", b"uni", b"earth")),
            "the universe earth of alice",
        ),
        (
            "alice/pub/mod/io.x@..2027-01-01",
            Area(HERS, (b"pub", b"mod", b"io.x"), 0, NEW_YEAR),
            "the module io.x of alice, until 2027-01-01",
        ),
        (
            "/rate/mod/a/io.x@2027-01-01T00:30Z..",
            Area(None, (b"rate", b"mod", b"a/io.x"), NEW_YEAR + 1_800_000_000),
            "the rating of a/io.x of everyone, from 2027-01-01 00:30 UTC",
        ),
        (
            encode_did_key(BOB.public),
            Area(AuthorKey(BOB.public)),
            f"everything of {encode_did_key(BOB.public)}",
        ),
    ],
)
def test_an_area_is_read_and_put_in_words(text: str, area: Area, words: str) -> None:
    assert parse_area(text, PETNAMES) == area
    named = {ALICE.public: "alice"}
    assert area_words(area, named) == words
    assert parse_area(area_text(area), {}) == area


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        ("alice/all", "bad-area", "'all' is no class"),
        ("alice/pub//io.x", "bad-area", "empty"),
        ("alice/pub/mod/" + "x" * 256, "bad-area", "longer than 255"),
        ("alice@2027-01-02..2027-01-01", "bad-area", "ends before it begins"),
        ("alice@soon..", "bad-date", "'soon' is no date"),
        ("x" * 601, "bad-area", "at most 600"),
    ],
)
def test_what_is_no_area_says_why(text: str, code: str, why: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_area(text, PETNAMES)
    assert caught.value.reason == code
    assert why in caught.value.detail


def test_a_name_that_means_nobody_is_not_found() -> None:
    with pytest.raises(NotFound, match="'carol' is nobody's name here"):
        parse_area("carol/pub", PETNAMES)


def test_a_capability_says_what_where_until_when_and_through_whose_hands() -> None:
    hers = own(POND, WRITE, ALICE.public)
    assert capability_words(hers, NAMES) == (
        "may write everything of everyone in the namespace pond; from the owner of pond"
    )
    record = Area(HERS, (b"pub", b"mod", b"io.x"), 0, parse_moment("2027-01-01"))
    given = delegate(hers, ALICE, record, BOB.public)
    assert capability_words(given, NAMES) == (
        "may write the module io.x of alice in the namespace pond, until 2027-01-01;"
        " from the owner of pond, passed on by alice"
    )
    voice = delegate(hers, ALICE, Area(AuthorKey(BOB.public), (b"_auth",)), BOB.public)
    assert capability_words(voice, NAMES) == (
        "may take back what they pass on in the namespace pond;"
        " from the owner of pond, passed on by alice"
    )
    others = delegate(hers, ALICE, Area(HERS, (b"_auth",)), BOB.public)
    assert "may write the statements of who may write of alice" in capability_words(others, NAMES)
    unknown = own(POND, READ, BOB.public)
    assert encode_did_key(POND.public) in capability_words(unknown, {}), "never cut short"


def test_a_record_does_not_pass_for_more_of_the_sentence() -> None:
    hers = own(POND, WRITE, ALICE.public)
    for record, shown in (
        ("io.x of bob in the namespace commons, until 2027-01-01; from bob",) * 2,
        ("a, b", "a, b"),
        ('a" of bob', r"a\u0022 of bob"),
        ("a\u202eb", r"a\u202eb"),
    ):
        given = delegate(hers, ALICE, Area(HERS, (b"pub", b"mod", record.encode())), BOB.public)
        assert capability_words(given, NAMES) == (
            f'may write the module "{shown}" of alice in the namespace pond;'
            " from the owner of pond, passed on by alice"
        )


def test_a_record_that_looks_as_if_it_had_times_is_read_as_it_was_written() -> None:
    area = Area(HERS, (b"pub", b"mod", b"x@..2027-01-01"))
    assert parse_area(area_text(area), {}) == area
