import random
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvalidLock
from registry.lockfile import (
    PACKAGES_MAX,
    Lock,
    LockedPackage,
    check_lock,
    lock_of,
    parse_lock,
    write_lock,
)
from registry.versions import Version
from tests.registry.people import ALICE_DID, BOB_DID

DICE, CHANCE, MAP = (
    f"{ALICE_DID}/org.example.dice",
    f"{ALICE_DID}/org.example.chance",
    f"{BOB_DID}/org.example.map",
)


def package(id: str, version: str = "1.0.0", **needs: str) -> LockedPackage:
    return LockedPackage(
        id=id,
        version=version,
        sha256="ab" * 32,
        blob="cd" * 32,
        author=id.partition("/")[0],
        dependencies={{"chance": CHANCE, "map": MAP}[name]: text for name, text in needs.items()},
    )


PACKAGES = (
    package(DICE, "1.2.0", chance="^1.0", map=">=1 <2 || 3"),
    package(CHANCE),
    package(MAP),
)
LOCK = lock_of({MAP: "*", DICE: "^1.2"}, PACKAGES)
TEXT = write_lock(LOCK)


def refused(text: str) -> InvalidLock:
    with pytest.raises(InvalidLock) as caught:
        parse_lock(text)
    return caught.value


def test_a_lock_comes_back_as_it_was_written() -> None:
    assert parse_lock(TEXT) == LOCK
    assert LOCK.versions() == {
        CHANCE: Version.parse("1.0.0"), DICE: Version.parse("1.2.0"), MAP: Version.parse("1.0.0"),
    }  # fmt: skip
    assert parse_lock(write_lock(Lock())) == Lock()


def test_the_same_resolution_is_the_same_bytes() -> None:
    for seed in range(5):
        shuffled = list(PACKAGES)
        random.Random(seed).shuffle(shuffled)
        again = lock_of(dict(reversed(LOCK.requirements.items())), tuple(shuffled))
        assert write_lock(again) == TEXT


def test_a_lock_is_toml_that_others_read() -> None:
    found = tomllib.loads(TEXT)
    assert found["requirements"] == {DICE: "^1.2", MAP: "*"}
    assert [each["id"] for each in found["package"]] == sorted([DICE, CHANCE, MAP])


def test_a_merge_conflict_is_recognised_with_its_line() -> None:
    lines = TEXT.splitlines(keepends=True)
    conflicted = "".join([*lines[:4], "<<<<<<< HEAD\n", *lines[4:], "=======\n>>>>>>> theirs\n"])
    error = refused(conflicted)
    assert error.line == 5
    assert "merge conflict" in error.detail


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1\n", "version = 2\n", "format 2"),
        ("version = 1\n", "version = 2\nnew = 1\n", "format 2"),
        ("version = 1\n", "", "does not say its version"),
        ("version = 1\n", "version = true\n", "no lock format"),
        ("version = 1\n", f"version = 0x{'f' * 5_000}\n", "too long"),
        ("version = 1\n", "version = 1\npackages = 1\n", "did you mean package?"),
        ("version = 1\n", "version = \n", "line 2"),
        ("version = 1\n", "version = 1\nextra = 1\n", "extra"),
        ('version = "1.2.0"', 'version = "1.2"', "not a version"),
        ("abab", "ABAB", "64 hex"),
        (f'author = "{BOB_DID}"', f'author = "{ALICE_DID}"', "is not a module of"),
        ('"^1.2"', '"latest"', "not a range"),
        (f'"{MAP}" = "*"', '"org.example.map" = "*"', "without its author"),
        (f'"{MAP}" = "*"', f'"{MAP}2" = "*"', "has no package"),
        (f'"{DICE}" = "^1.2"', f'"{DICE}" = "x.1"', "line 6: 'x.1'"),
        ('id = "', 'idd = "', "idd"),
    ],
)
def test_a_lock_that_cannot_be_read_says_why(old: str, new: str, said: str) -> None:
    assert old in TEXT
    assert said in refused(TEXT.replace(old, new, 1)).detail


def test_a_bad_package_names_its_line() -> None:
    number = TEXT.splitlines().index(f'id = "{MAP}"')  # the line after its header, from 0
    assert refused(TEXT.replace(f'id = "{MAP}"', "id = 7")).line == number


def test_a_package_stands_once() -> None:
    with pytest.raises(InvalidLock, match="twice"):
        check_lock(Lock(packages=(package(MAP), package(MAP, "2.0.0"))))


@pytest.mark.parametrize("line", ["# \ud800", '["\udcff"]', 'name = "\udcff"'])
def test_what_no_file_could_hold_is_refused_with_its_line(line: str) -> None:
    error = refused(f"version = 1\n{line}\n[requirements]\n")
    assert (error.line, "UTF-8" in error.detail) == (2, True)


def test_a_lock_has_a_size() -> None:
    assert "more than" in refused("#" * (5 << 20)).detail


def test_many_packages_do_not_stall() -> None:
    """The line of each was once counted from the beginning: 300,000 took three minutes."""
    start_s = time.process_time()
    assert "packages, at most" in refused("version = 1\n" + "[[package]]\n" * 50_000).detail
    assert refused("version = 1\n" + "[[package]]\n" * PACKAGES_MAX).line == 2
    assert time.process_time() - start_s < 5


@given(st.text())
def test_any_text_is_a_lock_or_our_error(text: str) -> None:
    for whole in (text, TEXT + text, TEXT.replace('"*"', f'"{text}"')):
        try:
            parse_lock(whole)
        except InvalidLock as error:
            assert error.detail  # noqa: PT017 - a comment leaves the lock as it was
