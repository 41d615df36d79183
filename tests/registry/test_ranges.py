import json
from pathlib import Path
from typing import Any

import nodesemver  # type: ignore[import-untyped]  # no annotations; npm's own rules, as an oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidRange, InvalidVersion, RegistryError
from registry.ranges import parse_range
from registry.versions import FIRST_PRERELEASE, parse_version, place_of
from tests.registry.npm_rows import is_strict, strict_rows

oracle: Any = nodesemver

numbers = st.integers(0, 3)
identifier = st.sampled_from(["0", "1", "alpha", "beta", "rc-1"])
prerelease = st.lists(identifier, min_size=1, max_size=2).map(".".join)
triple = st.tuples(numbers, numbers, numbers).map(lambda each: ".".join(map(str, each)))
version = st.one_of(triple, st.builds("{}-{}".format, triple, prerelease))
partial = st.one_of(
    version,
    st.builds("{}.{}".format, numbers, numbers),
    numbers.map(str),
    st.builds("{}.{}.x".format, numbers, numbers),
    st.builds("{}.*".format, numbers),
)
term = st.builds("{}{}".format, st.sampled_from(["", "^", "~", "<", "<=", ">", ">=", "="]), partial)
hyphen = st.builds("{} - {}".format, version, version)
alternative = st.one_of(st.lists(term, min_size=1, max_size=3).map(" ".join), hyphen)
npm_range = st.lists(alternative, min_size=1, max_size=2).map(" || ".join)


def takes(range_text: str, version_text: str) -> bool:
    """As npm: an invalid range or version matches nothing."""
    try:
        return parse_range(range_text).allows(parse_version(version_text.lstrip("v= ")))
    except (InvalidRange, InvalidVersion):
        return False


def test_npm_and_we_take_the_same_versions(vectors: Path) -> None:
    for name, is_taken in (("range-include", True), ("range-exclude", False)):
        rows = [row for row in strict_rows(vectors, name) if isinstance(row[1], str)]
        assert rows
        for text, candidate, *_ in rows:
            assert takes(text, candidate) == is_taken, (name, text, candidate)


def test_npm_and_we_read_the_same_ranges(vectors: Path) -> None:
    rows = [
        row for row in strict_rows(vectors, "range-parse")
        if row[1] is None or len(row[1]) <= 256
    ]  # fmt: skip
    assert rows
    for text, canonical, *_ in rows:
        if canonical is None:
            with pytest.raises(InvalidRange):
                parse_range(text)
        else:
            assert parse_range(text) == parse_range(canonical), text


@pytest.mark.parametrize("name", ["range-intersection", "comparator-intersection"])
def test_npm_and_we_agree_where_ranges_meet(vectors: Path, name: str) -> None:
    rows = [row for row in json.loads((vectors / "node-semver" / f"{name}.json").read_text())
            if len(row) == 3 and is_strict([row[0]])]  # fmt: skip
    assert rows
    for one, other, meet in rows:
        common = parse_range(one) & parse_range(other)
        assert common.is_empty != meet, (one, other)


def test_what_npm_calls_beyond_a_range_is_beyond_it(vectors: Path) -> None:
    """Of releases; npm has an order of its own for pre-releases, which are merely not taken."""
    for name, is_above in (("version-gt-range", True), ("version-lt-range", False)):
        for text, candidate, *_ in strict_rows(vectors, name):
            assert not takes(text, candidate), (name, text, candidate)
            if "-" not in candidate:
                assert beyond(text, candidate, is_above=is_above), (name, text, candidate)
    for name, is_above in (("version-not-gt-range", True), ("version-not-lt-range", False)):
        for text, candidate, *_ in strict_rows(vectors, name):
            if "-" not in candidate and not takes(text, candidate):
                assert not beyond(text, candidate, is_above=is_above), (name, text, candidate)


def beyond(range_text: str, version_text: str, *, is_above: bool) -> bool:
    """Whether it is above (below) every release of the range."""
    place = place_of(parse_version(version_text))
    releases = [one for one in parse_range(range_text).intervals if one[0] < FIRST_PRERELEASE]
    if is_above:
        return all(high <= place for _, high in releases)
    return all(place < low for low, _ in releases)


def test_cargo_and_we_read_the_same_requirements(vectors: Path) -> None:
    folder = vectors / "cargo-semver"
    for row in json.loads((folder / "version-req-valid.json").read_text()):
        parse_range(as_npm(row["req"]))
    for row in json.loads((folder / "version-req-canonical.json").read_text()):
        text = row.get("req") or row["comparator"]
        assert parse_range(as_npm(text)) == parse_range(as_npm(row["canonical"])), row
    for row in json.loads((folder / "version-req-same.json").read_text()):
        assert parse_range(as_npm(row["req"])) == parse_range(as_npm(row["same_as"])), row
    # npm takes `*` beside others and a blank for "and"; a last comma is lost by our rewriting.
    dialect = ("> 0.1.0,", "> 0.3.0, ,", "> 0.0.9 <= 2.5.3", "*, 0.20.0-any")
    rows = json.loads((folder / "version-req-errors.json").read_text())
    refused = [row["text"] for row in rows if row["text"] not in dialect]
    assert len(refused) + len(dialect) == len(rows)
    for text in refused:
        with pytest.raises(InvalidRange):
            parse_range(as_npm(text))


def test_cargo_and_we_take_the_same_versions(vectors: Path) -> None:
    """Every row, said in npm's words: a comma is a space, and a bare version is `^` of it."""
    rows = json.loads((vectors / "cargo-semver" / "version-req.json").read_text())
    assert rows
    for row in rows:
        assert takes(as_npm(row["req"]), row["version"]) == row["matches"], row


def as_npm(text: str) -> str:
    """cargo's requirement in npm's dialect."""
    parts = [part.strip() for part in text.split(",")]
    return " ".join(f"^{part}" if is_caret(part) else part for part in parts)


def is_caret(part: str) -> bool:
    return part[:1].isdigit() and not any(wild in part.split("-")[0] for wild in "xX*")


@given(npm_range, version)
def test_the_oracle_and_we_agree(range_text: str, version_text: str) -> None:
    assert takes(range_text, version_text) == oracle.satisfies(
        version_text, range_text, loose=False
    )


@given(npm_range, npm_range, version)
def test_sets_of_versions_obey_logic(one: str, other: str, version_text: str) -> None:
    left, right, place = parse_range(one), parse_range(other), place_of(parse_version(version_text))
    assert (place in left & right) == (place in left and place in right)
    assert (place in left | right) == (place in left or place in right)
    assert (place in ~left) == (place not in left)
    assert (place in left - right) == (place in left and place not in right)
    assert ~~left == left
    assert left.is_subset((left - right) | right)
    assert left.is_disjoint(right) == (left & right).is_empty
    relation = left.relation(right)
    assert (relation.is_subset, relation.is_disjoint) == (
        left & right == left,
        (left & right).is_empty,
    )


@pytest.mark.parametrize(
    "text",
    ["^1.x.3", "1.2.3.4", ">=1.2.3 <", "||>", "1.2.3 - ", "^^1", "latest", "1.2.3-01", "1,2",
     f"^{2**53}", f"<={2**53 - 1}", " " * 257, "https://example.org", "1.2.3 -2.0.0"],
)  # fmt: skip
def test_what_is_no_range_is_said_to_be_none(text: str) -> None:
    with pytest.raises(InvalidRange):
        parse_range(text)


def test_who_writes_cargos_comma_is_told_npms_word() -> None:
    with pytest.raises(InvalidRange, match="a space is the word for and"):
        parse_range(">=1, <2")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("^1.2.3", ">=1.2.3 <2.0.0"), ("*", "*"), ("1.2.3", "1.2.3"), ("<0", "nothing"),
     ("<1 || >=3", "<1.0.0 || >=3.0.0"), ("1.2.3-beta", "pre-releases only")],
)  # fmt: skip
def test_a_set_is_shown_in_npms_words(text: str, shown: str) -> None:
    assert str(parse_range(text)) == shown


@given(st.text(max_size=300))
def test_any_text_is_a_range_or_our_error(text: str) -> None:
    try:
        parse_range(text)
    except RegistryError as error:
        assert isinstance(error, InvalidRange)  # noqa: PT017 - the text may as well be a range


@given(st.text(alphabet="0123456789xX*.<>=^~|- vV+ab", max_size=40))
def test_what_looks_like_a_range_is_one_or_our_error(text: str) -> None:
    try:
        parse_range(text)
    except InvalidRange as error:
        assert error.detail  # noqa: PT017 - the text may as well be a range
