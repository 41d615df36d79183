"""What is signed means the same to everybody, whatever words its author used."""

import pytest

from registry.errors import InvalidManifest, UnknownPetname
from registry.manifest import Manifest, parse_manifest
from registry.needs import needs_of
from registry.statement import Need
from tests.registry.people import ALICE_DID, BOB_DID

NAMES = {"bob": BOB_DID, "bobby": BOB_DID, "me": ALICE_DID}
HEAD = '[module]\nid = "io.alice.game"\nversion = "1.0.0"\nwasm = "a.wasm"\n[dependencies]\n'


def needing(*lines: str) -> Manifest:
    """The first of `lines` is line 6 of its gen.toml."""
    return parse_manifest(HEAD + "\n".join(lines))


def test_every_need_gets_its_full_name() -> None:
    manifest = needing(
        '"org.example.clock" = "^1"',
        '"bob/org.example.clock" = { version = "2.x", optional = true }',
        f'"{BOB_DID}/org.example.map" = "*"',
    )
    assert needs_of(manifest, ALICE_DID, NAMES) == {
        f"{ALICE_DID}/org.example.clock": Need("^1", False),
        f"{BOB_DID}/org.example.clock": Need("2.x", True),
        f"{BOB_DID}/org.example.map": Need("*", False),
    }


def test_every_name_that_is_missing_is_told_at_once() -> None:
    manifest = needing('"carol/a.b" = "1"', '"bob/a.b" = "1"', '"al/a.b" = "1"', '"al/a.c" = "1"')
    with pytest.raises(UnknownPetname) as caught:
        needs_of(manifest, ALICE_DID, NAMES)
    assert caught.value.petnames == ("al", "carol")
    assert "panspermia name set al did:key:" in caught.value.detail
    assert "panspermia name set carol did:key:" in caught.value.detail


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bob/a.b", f"{BOB_DID}/a.b"),
        (f"{BOB_DID}/a.b", "bob/a.b"),
        ("bob/a.b", "bobby/a.b"),
        ("a.b", f"{ALICE_DID}/a.b"),
        ("a.b", "me/a.b"),
    ],
)
def test_two_spellings_of_one_module_are_refused(first: str, second: str) -> None:
    manifest = needing(f'"{first}" = "^1"', f'"{second}" = "^2"')
    with pytest.raises(InvalidManifest) as caught:
        needs_of(manifest, ALICE_DID, NAMES)
    (problem,) = caught.value.problems
    assert problem.pointer == f"/dependencies/{second.replace('/', '~1')}"
    assert problem.line == 7
    assert all(spelling in caught.value.detail for spelling in (first, second))


@pytest.mark.parametrize("owner", ["me", ALICE_DID])
def test_nothing_needs_itself_however_it_is_spelled(owner: str) -> None:
    with pytest.raises(InvalidManifest, match=r"line 6: .* cannot need itself"):
        needs_of(needing(f'"{owner}/io.alice.game" = "*"'), ALICE_DID, NAMES)


def test_the_same_id_of_two_authors_is_two_modules() -> None:
    manifest = needing('"bob/io.alice.game" = "*"', '"a.b" = "1"', '"bob/a.b" = "1"')
    assert len(needs_of(manifest, ALICE_DID, NAMES)) == 3
