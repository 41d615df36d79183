"""What a file is, and the promises of `read` that hold for every format."""

import gzip
import lzma
import pickle
import signal
from pathlib import Path

import pytest

from registry.content import Content, content_problems
from registry.formats import (
    Format,
    InvalidFile,
    UnknownFormat,
    detect,
    format_of,
    pickles,
    read,
)
from registry.formats.limits import FILE_BYTES_MAX
from registry.formats.reading import READERS
from registry.formats.words import ENDINGS, TITLES
from tests.registry.formats.files import LEGENDS, OF_FORMAT

HEX = {Format.PRIMORDIUM_GENOTYPE, Format.PRIMORDIUM_HEXDNA2}


@pytest.mark.parametrize(
    ("name", "data", "format"),
    [
        ("a", b"", Format.UNKNOWN),
        ("a.txt", b"hello", Format.UNKNOWN),
        ("a.rle", b"no header", Format.RLE),
        ("a", b"#C words\n\n x = 3, y = 4\no!", Format.RLE),
        ("a.txt", b"#CXRLE Pos=0,1\r\nx=3,y=4\r\no!", Format.RLE),
        ("a", b"[M2] (golly 3.3)\n#R B3/S23\n", Format.MACROCELL),
        ("a", b"#Life 1.05\n#P\n", Format.LIFE_105),
        ("a", b"#Life 1.06\r\n0 1\n", Format.LIFE_106),
        ("a.cells", b"!Name: a\n.O.\n", Format.CELLS),
        ("a", b"!Name: a\n!\nOOO\n", Format.CELLS),
        ("dna.txt", b'{"brain":{}}'.hex().encode() + b"\n", Format.PRIMORDIUM_GENOTYPE),
        ("dna.txt", b"20|" + b"{}".hex().encode(), Format.PRIMORDIUM_HEXDNA2),
        ("a", b'{"brain": {}, "lineage_id": ""}', Format.PRIMORDIUM_JSON),
        ("a", b"target_fps = 60\n[world]\nwidth = 1\n", Format.PRIMORDIUM_CONFIG),
        ("a", b'{"world":{},"metabolism":{},"social":{}}', Format.PRIMORDIUM_CONFIG_JSON),
        ("a", b'{"id":"","birth_tick":1,"genotype":{}}', Format.PRIMORDIUM_LEGENDS),
        ("a", b'{"fossils":[]}', Format.PRIMORDIUM_LEGENDS),
        ("a", b'{\n "lineages": {}}', Format.PRIMORDIUM_LINEAGES),
        ("a", b"SQLite format 3\0 and so on", Format.PRIMORDIUM_REGISTRY),
        ("a", b'{"type":"MigrateEntity","payload":{}}', Format.PRIMORDIUM_MIGRATION),
        ("a", b'[{"code":"O2u","name":"Orbium","cells":"A!"}]', Format.LENIA),
        ("a", b'\n"words"\n{"code":"x","params":{}},\n', Format.LENIA),
        ("a", b'{"format_version":"1.0","network_type":"x","topology":{}}', Format.NEAT_NETWORK),
        ("a", b'{"name":"a","nodes":[],"synapses":[]}', Format.BIBITES),
        ("cut.bb8template", b'{"name":', Format.BIBITES),
        ("package.json", b'{"name": "no life"}', Format.UNKNOWN),
    ],
)  # fmt: skip
def test_what_a_file_is(name: str, data: bytes, format: Format) -> None:
    assert detect(name, data) is format


class Trap:
    """What a hostile pickle does when it is opened."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path("/nonexistent/opened").touch, ())


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["neat-checkpoint-4", "genome.rle"])
def test_a_pickle_is_never_opened_and_never_published(protocol: int, name: str) -> None:
    data = pickle.dumps(Trap(), protocol=protocol)
    assert detect(name, data) is Format.PICKLE
    for format in (Format.PICKLE, Format.UNKNOWN, Format.RLE):
        with pytest.raises(InvalidFile, match="export_network_json"):
            read(format, data, name)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "held",
    [
        {"fitness": 1.5, "nodes": [1, 2, (3, 4)]},
        [b"\0\xff" * 700_000],  # longer than what is looked at
        [[number, str(number)] for number in range(20_000)],
        Path,
        complex(1, 2),
    ],
    ids=["plain", "long", "many", "a name", "a call"],
)
def test_what_a_pickle_holds_does_not_hide_it(protocol: int, held: object) -> None:
    for data in (whole := pickle.dumps(held, protocol), gzip.compress(whole, mtime=0)):
        assert detect("a.txt", data) is Format.PICKLE


def test_a_pickle_that_breaks_off_after_its_call_is_one() -> None:
    """Opened, it has called by then."""
    for data in (b"cos\nsystem\n(S'ls'\ntR\xff\xff", b"(S'ls'\nios\nsystem\nrest of it"):
        assert detect("a.rle", data) is Format.PICKLE
    assert detect("a.rle", b"N0" * 50_000 + b"cos\nsystem\n(tR.") is Format.PICKLE


def test_each_instruction_is_read_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mark was once looked for through all that lay on it: minutes for what is here."""
    monkeypatch.setattr(pickles, "STEPS_MAX", 1_000_000)

    def too_long(*_: object) -> None:
        pytest.fail("it looks at all of the stack again and again")

    before = signal.signal(signal.SIGVTALRM, too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, 20)  # of computing; some tenths are enough
    try:
        assert not pickles.reads_as_pickle(b"N" * 150_000 + b"(t" * 75_000, is_cut=False)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    "data",
    [
        b"cells\nglider\n",
        b"intro\nthe second line\nmore\n",
        b"c\nx\n.",
        b"(indeed it is\nyes\n",
        b"N.",
        b"(lp0\nfrom here on words\n",
        b"Very long ago\nVery far away\n",
        b"PK\x03\x04\\'\nof a zip\n",
        b"\x80\x02 other bytes",
        b"\x80\x04",
        b"\x80\x09N.",
        b"0" * 50_000,
        b"N" * 10_000,
        b"N" * 2_000_000,
        b"N" * 20_000 + b"ACGT\nNN ACGT\n",
        b"(" * 20_000,
        b"\x80\x05\x95\xff\xff",
    ],
)
def test_what_only_begins_as_a_pickle_is_none(data: bytes) -> None:
    assert detect("notes.txt", data) is Format.UNKNOWN
    (found,) = read(Format.UNKNOWN, data, "notes.txt")
    assert found.data == data


def test_the_name_of_a_pickle_counts_for_what_is_no_text() -> None:
    packed = lzma.compress(pickle.dumps(Trap(), protocol=2))
    assert detect("winner.pkl", packed) is Format.PICKLE
    assert detect("winner.bin", packed) is Format.UNKNOWN
    glider = b"x = 3, y = 3\nbob$2bo$3o!\n"
    assert detect("glider.p", glider) is Format.RLE
    assert detect("glider.pkl", gzip.compress(glider, mtime=0)) is Format.RLE
    assert detect("words.pkl", "schön ".encode() * 200_000) is Format.UNKNOWN


def test_what_nothing_is_known_of_is_kept_as_it_is() -> None:
    (found,) = read(Format.UNKNOWN, b"\xff\0bytes", "ancestor.org")
    assert (found.data, found.name, found.kind) == (b"\xff\0bytes", "ancestor", "genome")
    assert len(found.identity) == 64


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
@pytest.mark.parametrize("format", sorted({*OF_FORMAT} - HEX))
def test_a_file_in_utf_16_is_told_and_refused_as_such(format: Format, encoding: str) -> None:
    text = next(data for data in OF_FORMAT[format] if not data.startswith(b"\x1f\x8b")).decode()
    data = (text if encoding == "utf-16" else f"\ufeff{text}").encode(encoding)
    assert detect("a-file", data) is format
    with pytest.raises(InvalidFile, match="a-file: byte 0: is UTF-16; save it as UTF-8"):
        read(format, data, "a-file")


@pytest.mark.parametrize("format", Format)
def test_every_format_refuses_what_is_too_large_and_what_is_nothing(format: Format) -> None:
    with pytest.raises(InvalidFile, match="at most 67,108,864 are read"):
        read(format, bytes(FILE_BYTES_MAX + 1), "large")
    with pytest.raises(InvalidFile, match=r"nothing\.x: "):
        read(format, b"", "nothing.x")


def test_every_format_has_a_title_and_most_an_ending() -> None:
    assert TITLES.keys() == {*Format}
    assert ENDINGS.keys() == {*Format} - {Format.PICKLE, Format.UNKNOWN}
    assert READERS.keys() <= {*Format}


@pytest.mark.parametrize("tail", ["?", "", "\n?"])
def test_a_look_at_a_file_is_linear(tail: str) -> None:
    for line in (". O *", "...", "#", " ", "!", "[world]\n", '"code" ', "[[", "(dp0\n"):
        detect("a.cells", (line * 30_000 + tail).encode())  # a nested quantifier would take years
        detect("a.rle", ("!Name\n" + line * 30_000 + tail).encode())


def test_numbers_that_no_record_holds_become_text() -> None:
    digits = "9" * 40
    config = f"[world]\nwidth = {digits}\nheight = 7\n".encode()
    (found,) = read(Format.PRIMORDIUM_CONFIG, config, "config.toml")
    assert (found.fields["width"], found.fields["height"]) == (digits, 7)


def test_words_are_known_or_refused() -> None:
    assert format_of("rle") is Format.RLE
    with pytest.raises(UnknownFormat, match="'rlx' is no format; there are: primordium-genotype"):
        format_of("rlx")


def test_a_name_that_hides_something_is_shown_bare() -> None:
    with pytest.raises(InvalidFile, match=r"a\\u202e\\x1bb: "):
        read(Format.RLE, b"", "a\u202e\x1bb")


@pytest.mark.parametrize("format", Format)
def test_every_word_can_stand_in_a_record(format: Format) -> None:
    content = Content.of(b"bytes", format=format.value, file="a.file")
    assert not content_problems(content)


@pytest.mark.parametrize(
    ("format", "data", "reason"),
    [
        (Format.PRIMORDIUM_MIGRATION, rb'{"type":"MigrateEntity","a":"\ud800"}', "surrogate"),
        (Format.PRIMORDIUM_CONFIG, b"[world]\nwidth = 0x" + b"f" * 5_000, "too long"),
    ],
)
def test_what_no_text_and_no_number_can_be_is_refused(
    format: Format, data: bytes, reason: str
) -> None:
    with pytest.raises(InvalidFile, match=reason):
        read(format, data, "a")


def test_ids_of_a_legend_may_be_anything() -> None:
    hurt = LEGENDS.replace(b'"id":"id-1"', b'"id":{}').replace(
        b'"parent_id":"id-1"', b'"parent_id":[]'
    )
    found = read(Format.PRIMORDIUM_LEGENDS, hurt, "a")
    assert [each.parents for each in found] == [(), ()]


def test_a_long_line_is_read_in_linear_time() -> None:
    with pytest.raises(InvalidFile):
        read(Format.RLE, b"x = 1" + b" " * 200_000 + b"?", "a.rle")
