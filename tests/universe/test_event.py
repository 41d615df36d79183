"""One event has one encoding, and nothing else is an event."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from registry.errors import InvalidRecord, MalformedRecord
from universe.event import (
    DESCRIPTION_BYTES_MAX,
    EVENT_BYTES_MAX,
    EVENT_TYPES,
    IMPORTANCE_MAX,
    NAME_CHARACTERS_MAX,
    NAMES_MAX,
    SYNONYMS,
    TITLE_CHARACTERS_MAX,
    Event,
    decode_event,
    encode_event,
    event_id,
    event_kind,
    event_word,
)
from universe.snapshot import TICK_MAX

BIRTH = Event(
    tick=4_200,
    at_us=1_790_000_000_000_000,
    type="birth",
    title="Ada is born",
    description="In the mill,\nat dawn.",
    day=14,
    importance=7,
    entities=("agent:ada",),
    souls=("soul:1",),
    parents=("agent:eve", "agent:adam"),
    snapshot=bytes(range(32)),
)
LEAST = Event(tick=0, at_us=0, type="harvest", title="Rye")

LINES = st.text(st.characters(min_codepoint=48, max_codepoint=0x24F, categories=["L"]), min_size=1)
NAMES = st.lists(LINES.map(lambda name: name[:20]), max_size=4).map(tuple)
EVENTS = st.builds(
    Event,
    tick=st.integers(0, TICK_MAX),
    at_us=st.integers(0, 1 << 50),
    type=st.sampled_from([*EVENT_TYPES, *SYNONYMS, "dragon:seen"]),
    title=LINES.map(lambda line: line[:TITLE_CHARACTERS_MAX]),
    description=st.text(st.characters(codec="utf-8"), max_size=40),
    day=st.none() | st.integers(0, 9_999),
    importance=st.integers(0, IMPORTANCE_MAX),
    entities=NAMES,
    souls=NAMES,
    parents=NAMES,
    snapshot=st.none() | st.binary(min_size=32, max_size=32),
)


@given(EVENTS)
def test_what_was_written_is_read_and_only_so(event: Event) -> None:
    encoded = encode_event(event)
    assert decode_event(encoded) == event
    assert encode_event(decode_event(encoded)) == encoded


def test_what_is_empty_is_left_out_and_day_0_is_a_day() -> None:
    assert set(cbor.decode(encode_event(LEAST), bytes_max=100)) == {
        "tick",
        "at_us",
        "type",
        "title",
    }
    assert decode_event(encode_event(replace(LEAST, day=0))).day == 0
    assert len(event_id(encode_event(LEAST))) == 16


@pytest.mark.parametrize(
    ("event", "says"),
    [
        (replace(BIRTH, tick=-1), "tick: is -1"),
        (replace(BIRTH, tick=TICK_MAX + 1), "tick: is"),
        (replace(BIRTH, at_us=1 << 62), "at_us: is"),
        (replace(BIRTH, day=-3), "day: is -3"),
        (replace(BIRTH, importance=IMPORTANCE_MAX + 1), "importance: is 1001"),
        (replace(BIRTH, type="Birth"), "'Birth' is no type"),
        (replace(BIRTH, type=""), "'' is no type"),
        (replace(BIRTH, type="a" * 65), "is no type"),
        (replace(BIRTH, type="birth\n"), r"'birth\\n' is no type"),
        (replace(BIRTH, title=""), "title: is empty"),
        (replace(BIRTH, title="x" * (TITLE_CHARACTERS_MAX + 1)), "201 characters"),
        (replace(BIRTH, title="two\nlines"), "title: "),
        (replace(BIRTH, title="\u202eback"), "title: "),
        (replace(BIRTH, description="é" * (DESCRIPTION_BYTES_MAX // 2 + 1)), "2050 bytes"),
        (replace(BIRTH, description="half \ud83d"), "half of a character"),
        (replace(BIRTH, entities=("a",) * (NAMES_MAX + 1)), "65 names"),
        (replace(BIRTH, souls=("",)), "souls.0: is empty"),
        (
            replace(BIRTH, parents=("ok", "x" * (NAME_CHARACTERS_MAX + 1))),
            "parents.1: 129 characters",
        ),
        (replace(BIRTH, entities=("bell\x07",)), "entities.0: "),
        (replace(BIRTH, snapshot=b"short"), "no id of a snapshot"),
    ],
)
def test_what_no_reader_would_take_is_refused_by_name(event: Event, says: str) -> None:
    with pytest.raises(InvalidRecord, match=says):
        encode_event(event)


def test_an_event_is_bounded_as_a_whole() -> None:
    names = tuple(f"{place:0128}" for place in range(NAMES_MAX))
    with pytest.raises(InvalidRecord, match=f"bytes, at most {EVENT_BYTES_MAX}"):
        encode_event(replace(BIRTH, entities=names))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        cbor.encode([]),
        cbor.encode({"tick": 1, "at_us": 1, "type": "birth"}),
        cbor.encode({"tick": 1, "at_us": 1, "type": "birth", "title": ""}),
        cbor.encode({"tick": 1, "at_us": 1, "type": "birth", "title": "x", "more": 1}),
        cbor.encode({"tick": 1, "at_us": 1, "type": "birth", "title": "x", "day": None}),
        cbor.encode({"tick": 1, "at_us": 1, "type": "birth", "title": "x", "souls": []}),
        cbor.encode({"tick": 1, "at_us": 1, "type": "birth", "title": "x", "importance": 0}),
        cbor.encode({"tick": True, "at_us": 1, "type": "birth", "title": "x"}),
        cbor.encode({"tick": 1, "at_us": 1, "type": "birth", "title": "x", "snapshot": "AAAA"}),
        cbor.encode({"tick": 1, "at_us": 1, "type": "birth", "title": "x" * EVENT_BYTES_MAX}),
        encode_event(BIRTH) + b"\x00",
    ],
)
def test_anything_else_is_no_event(data: bytes) -> None:
    with pytest.raises(MalformedRecord, match="an event"):
        decode_event(data)


def test_other_games_words_are_understood_and_unknown_ones_shown() -> None:
    for theirs, ours in SYNONYMS.items():
        assert event_kind(theirs) == ours
        assert event_word(theirs) == event_word(ours) == EVENT_TYPES[ours]
    assert event_kind("dragon:seen") == event_word("dragon:seen") == "dragon:seen"
    assert (event_word("agent:died"), event_word("union:formed")) == ("dies", "a union")
