import json
import unicodedata
from dataclasses import replace
from pathlib import Path as File

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.encoding import U64_MAX, Reader
from crdt.errors import Malformed
from crdt.keys import DeviceKey
from crdt.path import (
    CLASSES,
    DEPTH,
    EPOCH_MAX,
    PATH_BYTES_MAX,
    RECORD_BYTES_MAX,
    ChangePath,
    Path,
    encode_path,
    escape,
    read_path,
    shown,
)
from tests.crdt.strategies import ALICE, digests, paths

CHANGE = ChangePath("pub", "mod", b"io.univrs.user", 0, DeviceKey(ALICE.public), 1, bytes(32))

change_paths = st.builds(
    ChangePath,
    cls=st.sampled_from(CLASSES),
    kind=st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True),
    record=st.binary(min_size=1, max_size=RECORD_BYTES_MAX),
    epoch=st.integers(0, EPOCH_MAX),
    device=st.binary(min_size=32, max_size=32).map(DeviceKey),
    seq=st.integers(1, U64_MAX),
    payload_digest=digests,
)


@pytest.mark.parametrize("name", ["basic", "limits"])
def test_the_public_paths_of_willow_go(vectors: File, name: str) -> None:
    cases = json.loads((vectors / "willow_go" / "paths" / f"{name}.json").read_text())["cases"]

    assert cases
    for case in cases:
        path = tuple(map(bytes.fromhex, case["components_hex"]))
        assert encode_path(path).hex() == case["encoded_hex"], case["name"]
        assert read_path(Reader(encode_path(path))) == path


def test_the_public_paths_that_extend_another(vectors: File) -> None:
    """What a path adds to its prefix is itself a path: so an area writes its path."""
    text = (vectors / "willow_go" / "paths_rel" / "extends.json").read_text()
    for case in json.loads(text)["cases"]:
        prefix = tuple(map(bytes.fromhex, case["prefix_components_hex"]))
        path = tuple(map(bytes.fromhex, case["path_components_hex"]))
        assert encode_path(path[len(prefix) :]).hex() == case["encoded_hex"], case["name"]


def test_the_example_of_the_specification() -> None:
    """It prints `c3 04 …`, without the 0c that its own rule (and both vector sets) demand."""
    encoded = encode_path((b"blog", b"ideas", b"fun"))
    assert encoded.hex() == "c30c04626c6f6705696465617366756e"


@given(paths)
def test_reading_a_path_undoes_writing_it(path: Path) -> None:
    reader = Reader(encode_path(path))
    assert read_path(reader) == path
    reader.finish()


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("path-size", "d11001"),  # 4,097 bytes
        ("path-size", "0d1001"),  # 4,097 components
        ("path-size", "ff" + "ff" * 16),
        ("path-size", "10"),  # a byte, and no component to hold it
        ("path-component", "120261"),  # the first component longer than the path
        ("path-component", "12ff" + "ff" * 8 + "61"),
        ("truncated", ""),
        ("truncated", "316161"),
        ("truncated", "d1"),
        ("truncated", "0d1000" + "00" * 4094),
    ],
)
def test_oversize_and_lying_lengths_are_refused(code: str, data: str) -> None:
    with pytest.raises(Malformed) as refusal:
        read_path(Reader(bytes.fromhex(data)))
    assert refusal.value.code == code


@pytest.mark.parametrize("size", [0, 11, 12, 251, 252, 255, 256, PATH_BYTES_MAX])
def test_sizes_at_which_the_width_of_a_length_changes(size: int) -> None:
    for path in ((bytes(size),), (bytes(size), b""), (b"", bytes(size), b"")):
        assert read_path(Reader(encode_path(path))) == path


@given(change_paths)
def test_parsing_a_change_path_undoes_making_it(change: ChangePath) -> None:
    path = change.path()
    assert len(path) == DEPTH
    assert ChangePath.parse(path) == change


@given(change_paths, change_paths)
def test_no_change_path_is_a_prefix_of_another(one: ChangePath, other: ChangePath) -> None:
    assert one == other or one.path() != other.path()[: len(one.path())]


@pytest.mark.parametrize("depth", [0, 1, 5, 7, 4096])
def test_any_other_depth_is_refused(depth: int) -> None:
    """A shorter path at the end of time would prune a whole document in other Willow stores."""
    with pytest.raises(Malformed) as refusal:
        ChangePath.parse(((*CHANGE.path(), *(b"" for _ in range(4096))))[:depth])
    assert refusal.value.code == "path-depth"


@pytest.mark.parametrize(
    ("code", "place", "component"),
    [
        ("path-class", 0, b""),
        ("path-class", 0, b"Pub"),
        ("path-class", 0, b".."),
        ("path-class", 0, b"pub\0"),
        ("path-class", 0, "pub\u202e".encode()),
        ("path-kind", 1, b""),
        ("path-kind", 1, b"-mod"),
        ("path-kind", 1, b"mod\n"),
        ("path-kind", 1, b"MOD"),
        ("path-kind", 1, b".."),
        ("path-kind", 1, b"mod/../gen"),
        ("path-kind", 1, "m\u00f6d".encode()),
        ("path-kind", 1, b"\xff"),
        ("path-kind", 1, b"m" * 33),
        ("path-kind", 1, b"\xff" * 3800),
        ("path-record", 2, b""),
        ("path-record", 2, bytes(RECORD_BYTES_MAX + 1)),
        ("path-width", 3, bytes(3)),
        ("path-width", 3, bytes(5)),
        ("path-width", 4, bytes(31)),
        ("path-width", 4, bytes(33)),
        ("path-width", 5, bytes(8)),
        ("path-width", 5, bytes(41)),
        ("path-seq", 5, bytes(40)),
    ],
)
def test_a_component_of_another_form_is_refused(code: str, place: int, component: bytes) -> None:
    path = CHANGE.path()
    with pytest.raises(Malformed) as refusal:
        ChangePath.parse((*path[:place], component, *path[place + 1 :]))
    assert refusal.value.code == code
    assert refusal.value.detail.isprintable()
    assert len(refusal.value.detail) < 300


def test_a_change_path_is_never_made_with_what_cannot_be_written() -> None:
    for epoch in (-1, EPOCH_MAX + 1):
        with pytest.raises(Malformed, match="path-epoch"):
            replace(CHANGE, epoch=epoch)
    for seq in (-1, 0, U64_MAX + 1):
        with pytest.raises(Malformed, match="path-seq"):
            replace(CHANGE, seq=seq)


@pytest.mark.parametrize(
    ("component", "text"),
    [
        (b"io.univrs.user", "io.univrs.user"),
        ("Größe ✓".encode(), "Größe ✓"),
        (b"", ""),
        (b".", r"\u002e"),
        (b"..", r"\u002e\u002e"),
        (b"...", "..."),
        (b"../etc", r"..\u002fetc"),
        (b"C:\\", r"C:\u005c"),
        ("\u202egpj.exe".encode(), r"\u202egpj.exe"),
        ("\u2066a\u2069".encode(), r"\u2066a\u2069"),
        (b"\0\x1b[2J\n", r"\u0000\u001b[2J\u000a"),
        (b"a\xffb", r"a\xffb"),
        ("\ufeff\u200b\u00a0\u3000\u2028".encode(), r"\ufeff\u200b\u00a0\u3000\u2028"),
        ("\U000e0041".encode(), r"\U000e0041"),  # a tag character, not seen at all
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
    ],
)
def test_hostile_components_are_shown_harmlessly(component: bytes, text: str) -> None:
    assert escape(component) == text


@given(st.one_of(st.binary(max_size=30), st.text(max_size=30).map(str.encode)))
def test_nothing_shown_moves_the_cursor_or_turns_the_line(component: bytes) -> None:
    text = escape(component)
    assert text.isprintable()
    assert "/" not in text
    assert text not in (".", "..")
    assert not any(
        unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") for letter in text
    )


@given(st.lists(st.one_of(st.binary(max_size=6), st.text(max_size=6).map(str.encode)), max_size=4))
def test_different_components_are_shown_differently(components: list[bytes]) -> None:
    assert len(set(map(escape, components))) == len(set(components))


def test_a_path_is_shown_as_one() -> None:
    assert shown((b"pub", b"..", b"a/b")) == r"/pub/\u002e\u002e/a\u002fb"
    assert shown(()) == "/"
