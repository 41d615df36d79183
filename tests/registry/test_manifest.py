import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidManifest
from registry.manifest import MANIFEST_BYTES_MAX, TAGS_MAX, parse_manifest
from registry.names import Reference
from tests.registry.people import ALICE_DID, BOB_DID

WHOLE = f"""
[module]
id = "io.univrs.user"
name = "User"
version = "1.2.0"
description = "Who is who,\\n   said once."
license = "MIT OR Apache-2.0"
tags = ["Identity", "identity", "people"]
wasm = "./target/user.wasm"
readme = "README.md"

[dependencies]
"io.univrs.clock" = "^1.0"
"{BOB_DID}/org.example.dice" = "1.x || >=2.1 <3"
"carol/org.example.map" = {{ version = "*", optional = true }}

[capabilities]
imports = ["env.memory", "wasi_snapshot_preview1.*"]
"""
LEAST = '[module]\nid = "a.b"\nversion = "1.0.0"\nwasm = "b.wasm"\n'


def problems(text: str) -> dict[str, tuple[str, int | None]]:
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(text)
    return {each.pointer: (each.detail, each.line) for each in caught.value.problems}


def test_a_manifest_says_all_there_is_to_say() -> None:
    manifest = parse_manifest(WHOLE)
    assert (manifest.id, manifest.name, str(manifest.version)) == (
        "io.univrs.user",
        "User",
        "1.2.0",
    )
    assert manifest.description == "Who is who, said once."
    assert manifest.license == "MIT OR Apache-2.0"
    assert manifest.tags == ("identity", "people")
    assert (manifest.wasm, manifest.readme) == ("target/user.wasm", "README.md")
    assert manifest.imports == ("env.memory", "wasi_snapshot_preview1.*")
    assert [(each.reference, each.range, each.is_optional) for each in manifest.dependencies] == [
        (Reference(None, "io.univrs.clock"), "^1.0", False),
        (Reference(BOB_DID, "org.example.dice"), "1.x || >=2.1 <3", False),
        (Reference("carol", "org.example.map"), "*", True),
    ]
    assert manifest.warnings == ()


def test_the_least_manifest_has_an_id_a_version_and_a_file() -> None:
    manifest = parse_manifest(LEAST)
    assert manifest.name == "b"
    assert parse_manifest(f'{LEAST}name = " "\n').name == "b"
    assert [warning.partition(":")[0] for warning in manifest.warnings] == [
        "no license",
        "no description",
    ]


def test_everything_wrong_is_said_at_once_with_key_and_line() -> None:
    found = problems(
        '[module]\nid = "dice"\nnmae = "Dice"\nversion = "1.2"\nwasm = "../dice.wasm"\n'
        '[dependencis]\n[dependencies]\n"a.b" = "latest"\n"io.x/c.d" = "1"\n'
    )
    assert {pointer: line for pointer, (_, line) in found.items()} == {
        "/dependencis": 6,
        "/module/nmae": 3,
        "/module/id": 2,
        "/module/version": 4,
        "/module/wasm": 5,
        "/dependencies/a.b": 8,
        "/dependencies/io.x~1c.d": 9,
    }
    assert "did you mean dependencies?" in found["/dependencis"][0]
    assert "did you mean name?" in found["/module/nmae"][0]
    assert "leaves the folder" in found["/module/wasm"][0]


@pytest.mark.parametrize(
    ("line", "pointer", "said"),
    [
        ("name = 7", "/module/name", "must be a text, not a number"),
        ("name = 2026-01-01", "/module/name", "not a date"),
        ('name = "\\u202egnp.exe"', "/module/name", "RIGHT-TO-LEFT OVERRIDE"),
        (f'name = "{"n" * 65}"', "/module/name", "65 characters"),
        (f'description = "{"d" * 1001}"', "/module/description", "at most 1000"),
        ('name = "half \ud800"', "/module/name", "U+D800"),
        ('license = ""', "/module/license", "leave it out"),
        ('license = "MIT OR"', "/module/license", "ends too early"),
        ('license = "(MIT"', "/module/license", "without its )"),
        ('license = "do what you like"', "/module/license", "out of place"),
        ("tags = [1]", "/module/tags", "list of texts"),
        (f"tags = {[f't{n}' for n in range(TAGS_MAX + 1)]}", "/module/tags", "17 tags"),
        ('tags = ["two words"]', "/module/tags", "one word"),
        ('readme = "/etc/passwd"', "/module/readme", "relative"),
        ('readme = "a/../../b"', "/module/readme", "leaves the folder"),
        ('readme = "C:\\\\x"', "/module/readme", "relative"),
        ('readme = "docs/"', "/module/readme", "no file"),
        ('[dependencies]\n"a.b" = "^1"', "/dependencies/a.b", "cannot need itself"),
        ('[dependencies]\n"c.d" = ">2 <1"', "/dependencies/c.d", "no version at all"),
        ('[dependencies]\nc.d = "1"', "/dependencies/c", "write the id in quotes"),
        ('[dependencies]\n"c.d" = 1', "/dependencies/c.d", "must be a text"),
        ('[dependencies."c.d"]\nverson = "1"', "/dependencies/c.d/verson", "mean version?"),
        ('[dependencies."c.d"]\noptional = 1', "/dependencies/c.d/optional", "true or false"),
        ('[capabilities]\nimports = ["env"]', "/capabilities/imports", "env.memory"),
        ('[capabilities]\nimport = ["env.x"]', "/capabilities/import", "mean imports?"),
        ("[[dependencies]]\n", "/dependencies", "must be a table"),
    ],
)
def test_a_wrong_value_is_named(line: str, pointer: str, said: str) -> None:
    found = problems(f"{LEAST}{line}\n")
    assert list(found) == [pointer]
    assert said in found[pointer][0]
    assert (found[pointer][1] or 0) >= 5


@pytest.mark.parametrize("key", ["id", "version", "wasm"])
def test_what_is_needed_is_asked_for(key: str) -> None:
    text = "\n".join(line for line in LEAST.splitlines() if not line.startswith(key))
    assert problems(text) == {f"/module/{key}": ("is needed", 1)}


def test_what_is_no_toml_is_said_with_its_line() -> None:
    detail, line = problems('[module]\nid == "a.b"\n')[""]
    assert (detail, line) == ("Invalid value", 2)


BOMBS = {
    "too long": "#" * (MANIFEST_BYTES_MAX + 1),
    "too long in bytes": "#" + "é" * (MANIFEST_BYTES_MAX // 2),
    "lists in lists": "x = " + "[" * 100_000,
    "tables in tables": "x = " + "{a = " * 50_000,
    "one dotted key": "a" + ".a" * 100_000 + " = 1",
    "a dotted key with spaces": "a" + " . a" * 60_000 + " = 1",
    "dotted keys": "".join(f"a{n}{'.a' * 32} = 1\n" for n in range(3_500)),
    "quoted keys": '"".' * 80_000,
    "keys that look like texts": 'x = {a = """\n" """, ' + '" ".' * 60_000 + "x = 1}",
    "dots up to the bound": "".join(f"a{n}{'.a' * 191} = 1\n" for n in range(660)),
    "many tables": "".join(f"[a{n}]\n" for n in range(30_000)),
    "many keys": "".join(f"a{n} = 1\n" for n in range(25_000)),
    "many dependencies": "[dependencies]\n" + "".join(f'"a.b{n}" = "1"\n' for n in range(14_000)),
    "a long number": "x = " + "9" * 10_000,
    "spaces": " " * MANIFEST_BYTES_MAX,
    "a table in itself": "[a]\n[a.b]\n[a]\n",
    "nothing": "",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_hostile_manifest_is_refused_before_it_costs(name: str) -> None:
    # A bound on work, not a benchmark: without the checks each of these takes minutes.
    begun = time.process_time()
    with pytest.raises(InvalidManifest) as caught:
        parse_manifest(BOMBS[name])
    assert len(caught.value.problems) <= 32
    assert time.process_time() - begun < 10


@given(st.text())
def test_any_text_is_a_manifest_or_our_error(text: str) -> None:
    for manifest in (text, f"{LEAST}{text}", f'{LEAST}name = "{text}"'):
        try:
            parse_manifest(manifest)
        except InvalidManifest as error:
            assert error.problems  # noqa: PT017 - the text may as well be a manifest


values = st.recursive(
    st.sampled_from(["7", "true", '"a"', '"^1"', "1979-05-27", "nan", '{version = "1"}']),
    lambda inner: st.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
    max_leaves=6,
)


@given(
    st.sampled_from(["module", "dependencies", "capabilities"]),
    st.sampled_from(["id", "version", "tags", "imports", '"a.b"', f'"{ALICE_DID}/a.b"']),
    values,
)
def test_any_value_is_our_error(table: str, key: str, value: str) -> None:
    with pytest.raises(InvalidManifest):
        parse_manifest(f"[{table}]\n{key} = {value}\n")  # never whole: the rest is missing
