import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.cargo_ranges import parse_cargo_range
from registry.errors import InvalidRange
from registry.ranges import parse_range
from registry.versions import parse_version


def rows(vectors: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        (vectors / "cargo-semver" / f"{name}.json").read_text()
    )
    assert found
    return found


def test_cargo_and_we_take_the_same_versions(vectors: Path) -> None:
    for row in rows(vectors, "version-req"):
        taken = parse_cargo_range(row["req"]).allows(parse_version(row["version"]))
        assert taken == row["matches"], row


def test_cargo_and_we_refuse_the_same(vectors: Path) -> None:
    for row in rows(vectors, "version-req-errors"):
        with pytest.raises(InvalidRange):
            parse_cargo_range(row["text"])


def test_cargo_and_we_read_the_same(vectors: Path) -> None:
    for row in rows(vectors, "version-req-valid"):
        parse_cargo_range(row["req"])
    for row in rows(vectors, "version-req-same"):
        assert parse_cargo_range(row["req"]) == parse_cargo_range(row["same_as"]), row
    for row in rows(vectors, "version-req-canonical"):
        text = row.get("req") or row["comparator"]
        assert parse_cargo_range(text) == parse_cargo_range(row["canonical"]), row


def test_a_bare_version_means_another_thing_than_in_npm() -> None:
    assert parse_cargo_range("1.2.3") == parse_range("^1.2.3")
    assert parse_cargo_range(">=1, <2") == parse_range(">=1 <2")


@given(st.text(alphabet="0123456789x*.<>=^~,- +ab", max_size=300))
def test_any_text_is_a_requirement_or_our_error(text: str) -> None:
    try:
        parse_cargo_range(text)
    except InvalidRange as error:
        assert error.detail  # noqa: PT017 - the text may as well be a requirement
