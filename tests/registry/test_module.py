import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.change import DocumentId
from crdt.keys import COMMONS, AuthorKey
from registry import module, publication
from registry.errors import MalformedRecord
from registry.listed import Module
from registry.module import module_name_of, module_of, signed_release_of
from registry.statement import verify_release
from tests.registry.people import (
    ALICE,
    ALICE_DID,
    ALICE_LAPTOP,
    DAY_US,
    DICE,
    NOON_US,
    WASM,
    Record,
    dice_document,
    manifest_of,
    signed_release,
)

NEEDS = '[dependencies]\n"org.example.chance" = "^1.0"\n'


def dice() -> Record:
    record = Record(dice_document())
    record.publish("1.0.0")
    record.publish("1.1.0", now_us=NOON_US + DAY_US, extra=NEEDS)
    record.publish("2.0.0-rc.1", now_us=NOON_US + 2 * DAY_US)
    return record


DICE_RECORD = dice()


def test_bob_reads_what_alice_published() -> None:
    found = DICE_RECORD.module
    assert (found.id, found.author_did, found.full_name) == (DICE.id, ALICE_DID, str(DICE))
    assert (found.name, found.license, found.tags) == ("Dice", "MIT", ("chance", "game"))
    assert [each.version for each in found.versions] == ["1.0.0", "1.1.0", "2.0.0-rc.1"]
    assert found.latest_version == "1.1.0"  # a pre-release is not what people want
    assert (found.created_at, found.updated_at) == ("2026-01-01T12:00:00Z", "2026-01-03T12:00:00Z")
    (need,) = found.dependencies
    assert need.module_id == f"{ALICE_DID}/org.example.chance"
    assert need.version_requirement == "^1.0"
    first = found.versions[0]
    assert first.wasm_size == len(WASM)
    assert first.capabilities[0].signature == "(i32) -> i32"
    assert first.changelog == "What 1.0.0 brings."
    assert found.problems == ()


def test_the_fields_of_the_gen_registry_are_there() -> None:
    found = msgspec.json.decode(msgspec.json.encode(DICE_RECORD.module))
    assert set(found) >= {
        "id", "name", "description", "author_did", "license", "tags", "versions",
        "latest_version", "created_at", "updated_at", "download_count", "dependencies",
    }  # fmt: skip
    assert set(found["versions"][0]) >= {
        "version", "published_at", "wasm_hash", "wasm_size", "changelog", "signature",
        "capabilities", "deprecated", "yanked",
    }  # fmt: skip


def test_the_signed_statement_can_be_verified() -> None:
    signed = signed_release_of(DICE_RECORD.value, "1.0.0")
    assert signed is not None
    checks = verify_release(
        signed, module=DICE, version="1.0.0", devices=[ALICE_LAPTOP.public], wasm=WASM
    )
    assert all(check.ok for check in checks)
    assert signed_release_of(DICE_RECORD.value, "9.9.9") is None


def test_a_yanked_version_is_latest_only_where_all_are() -> None:
    record = dice()
    record.edit(publication.yank("1.1.0", "broken"))
    assert record.module.latest_version == "1.0.0"
    record.edit(publication.yank("1.0.0", ""))
    assert record.module.latest_version == "2.0.0-rc.1"
    record.edit(publication.yank("2.0.0-rc.1", ""))
    assert record.module.latest_version == "1.1.0"


def test_a_bad_version_is_left_out_and_named() -> None:
    value = copy.deepcopy(DICE_RECORD.value)
    versions = value["versions"]
    versions["latest"] = versions["1.0.0"]
    versions["1.0.5"] = versions["1.0.0"]  # its statement is of another version
    versions["1.0.6"] = {**versions["1.0.0"], "statement": b"\xa0"}
    versions["1.0.7"] = 7
    versions["1.1.0"]["signature"] = bytes(3)
    found = module_of(DICE_RECORD.id, value)
    assert [each.version for each in found.versions] == ["1.0.0", "2.0.0-rc.1"]
    assert [problem.partition(":")[0] for problem in found.problems] == [
        "version '1.0.5'", "version '1.0.6'", "version '1.0.7'", "version '1.1.0'",
        "version 'latest'",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["\x1b[31mred", "a\u202eb", "../a"])
def test_an_export_whose_name_shows_as_another_is_not_listed(name: str) -> None:
    value = copy.deepcopy(DICE_RECORD.value)
    value["versions"]["1.1.0"]["exports"] = cbor.encode([[name, "function", "() -> ()"]])
    found = module_of(DICE_RECORD.id, value)
    assert [each.version for each in found.versions] == ["1.0.0", "2.0.0-rc.1"]
    assert "its export" in found.problems[0]


def test_a_list_shows_the_newest_that_it_can_hold() -> None:
    value = copy.deepcopy(DICE_RECORD.value)
    full = {**value["versions"]["1.0.0"], "changelog": "c" * module.CHANGELOG_BYTES_MAX}
    numbers = range(module.VERSIONS_BYTES_MAX // module.CHANGELOG_BYTES_MAX)
    for version in (f"3.{number}.0" for number in numbers):
        statement = signed_release(manifest_of(version)).statement
        value["versions"][version] = {**full, "statement": statement}
    found = module_of(DICE_RECORD.id, value)
    assert found.latest_version == found.versions[-1].version == f"3.{numbers[-1]}.0"
    assert 500 < len(found.versions) < len(numbers)
    hidden = len(value["versions"]) - len(found.versions)
    assert found.problems == (f"{hidden} old versions are not shown",)
    assert len(msgspec.json.encode(found)) < 2 * module.VERSIONS_BYTES_MAX


@pytest.mark.parametrize(
    ("root", "key", "wrong"),
    [
        ("head", "name", 7),
        ("head", "name", "n" * 65),
        ("head", "name", "\u202egnp"),
        ("head", "description", b"bytes"),
        ("head", "license", "L" * 129),
        ("head", "readme", "r" * 20_481),
        ("head", "created_us", -1),
        ("head", "created_us", True),
        ("head", "created_us", 1 << 60),
        ("tags", "t" * 33, 1),
        ("tags", "a\nb", 1),
    ],
)
def test_a_head_that_cannot_be_read_is_malformed(root: str, key: str, wrong: object) -> None:
    value = copy.deepcopy(DICE_RECORD.value)
    value[root][key] = wrong
    with pytest.raises(MalformedRecord):
        module_of(DICE_RECORD.id, value)


@pytest.mark.parametrize("record", [b"dice", b"\xff", b"a.b/c.d", b""])
def test_a_document_under_a_record_that_is_no_id(record: bytes) -> None:
    document = DocumentId(COMMONS, AuthorKey(ALICE.public), module.CLASS, module.KIND, record)
    with pytest.raises(MalformedRecord):
        module_name_of(document)


def test_a_document_of_another_kind_is_no_module() -> None:
    with pytest.raises(MalformedRecord, match="rate/mod"):
        module_of(
            DocumentId(COMMONS, AuthorKey(ALICE.public), "rate", "mod", b"a.b"), DICE_RECORD.value
        )


plain: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def read(value: Any) -> Module | None:  # noqa: ANN401 - whatever a stranger's document holds
    try:
        return module_of(DICE_RECORD.id, value)
    except MalformedRecord:
        return None


@given(st.dictionaries(st.sampled_from(["head", "tags", "versions", "more"]), plain))
def test_any_document_is_read_or_malformed(value: dict[str, Any]) -> None:
    assert read(value) is None


places = st.sampled_from(
    [("head",), ("tags",), ("versions",), ("head", "name"), ("head", "created_us")]
    + [("versions", "1.0.0")]
    + [("versions", "1.0.0", key) for key in ("statement", "signature", "device", "published_us",
                                              "changelog", "exports", "yanked", "deprecated")]
)  # fmt: skip


@given(places, plain)
def test_any_value_in_a_good_document_is_read_or_left_out_or_malformed(
    place: tuple[str, ...], wrong: object
) -> None:
    value = copy.deepcopy(DICE_RECORD.value)
    *above, key = place
    target: Any = value
    for part in above:
        target = target[part]
    target[key] = wrong
    found = read(value)
    assert found is None or found.id == DICE.id
    if found is not None:
        assert msgspec.json.decode(msgspec.json.encode(found), type=Module) == found
