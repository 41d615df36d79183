import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidVersion
from registry.versions import after, newest, parse_version, place_of
from tests.registry.npm_rows import is_strict, strict_rows


def test_npm_and_we_agree_on_valid_versions(vectors: Path) -> None:
    rows = strict_rows(vectors, "valid-versions")
    for text, major, minor, patch, pre, build in rows:
        version = parse_version(text)
        assert (version.major, version.minor, version.patch) == (major, minor, patch)
        assert (version.prerelease or "").split(".") == [str(part) for part in pre or [""]]
        assert (version.build or "").split(".") == [str(part) for part in build or [""]]
    assert rows


def test_npm_and_we_agree_on_invalid_versions(vectors: Path) -> None:
    rows = json.loads((vectors / "node-semver" / "invalid-versions.json").read_text())
    texts = [row[0] for row in rows if is_strict(row)]
    for text in texts:
        with pytest.raises(InvalidVersion):
            parse_version(text)
    assert texts


def test_npm_and_we_agree_on_the_order(vectors: Path) -> None:
    folder = vectors / "node-semver"
    rows = strict_rows(vectors, "comparisons")
    for greater, less, *_ in rows:
        assert parse_version(greater) > parse_version(less)
    assert rows
    same = json.loads((folder / "equality.json").read_text())
    assert same
    for one, other, *_ in same:  # loose all of them, by what stands before the version
        plain = parse_version(other.lstrip(" v="))
        assert parse_version(one) == plain
        assert place_of(parse_version(one)) == place_of(plain)


def test_cargo_and_we_agree_on_versions(vectors: Path) -> None:
    folder = vectors / "cargo-semver"
    for row in json.loads((folder / "version-errors.json").read_text()):
        with pytest.raises(InvalidVersion):
            parse_version(row["version"])
    for row in json.loads((folder / "version-parse.json").read_text()):
        version = parse_version(row["version"])
        found = (version.major, version.minor, version.patch, version.prerelease or "")
        assert found == (row["major"], row["minor"], row["patch"], row["pre"])
        assert (version.build or "") == row["build"]


def test_cargo_and_we_agree_on_the_order_but_for_build_metadata(vectors: Path) -> None:
    rows = json.loads((vectors / "cargo-semver" / "version-order.json").read_text())
    for row in rows:
        if "+" in row["left"] + row["right"]:
            continue  # cargo orders it, SemVer and npm do not
        left, right = parse_version(row["left"]), parse_version(row["right"])
        holds = {
            "<": left < right,
            "<=": left <= right,
            ">": left > right,
            ">=": left >= right,
            "==": left == right,
            "!=": left != right,
        }
        assert holds[row["op"]] == row["holds"], row


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.2", "v1.2.3", "1.2.3 ", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3\n", "١.٢.٣",
     f"{2**53}.0.0", f"1.0.0-{2**53}", "1" * 5000 + ".0.0", "1.2.3-" + "a" * 256],
)  # fmt: skip
def test_what_is_no_version_is_said_to_be_none(text: str) -> None:
    with pytest.raises(InvalidVersion):
        parse_version(text)


def test_the_largest_number_that_json_can_carry_is_a_version() -> None:
    assert parse_version(f"{2**53 - 1}.0.0").major == 2**53 - 1


def test_the_newest_is_a_release_even_below_a_pre_release() -> None:
    versions = [parse_version(text) for text in ("1.0.0", "1.2.0", "2.0.0-rc.1")]
    assert str(newest(versions)) == "1.2.0"
    assert str(newest(versions[2:])) == "2.0.0-rc.1"
    assert newest([]) is None


@given(st.text())
def test_any_text_is_a_version_or_our_error(text: str) -> None:
    try:
        parse_version(text)
    except InvalidVersion as error:
        assert error.detail  # noqa: PT017 - the text may as well be a version


@given(st.lists(st.sampled_from(["1.2.3", "1.2.3-a", "1.2.3-a.0", "1.2.3-1", "2.0.0"]), min_size=2))
def test_nothing_lies_between_a_place_and_the_next(texts: list[str]) -> None:
    first, *others = (place_of(parse_version(text)) for text in texts)
    assert first < after(first)
    assert not any(first < other < after(first) for other in others)
