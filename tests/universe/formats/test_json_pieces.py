"""JSON that comes in pieces: the same is JSON as for msgspec, wherever it is cut."""

import json
import sys
from collections.abc import Iterable
from types import FrameType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.errors import InvalidFile
from universe.formats import json_pieces, json_value
from universe.formats.halves import whole_characters
from universe.formats.json_pieces import Envelope, Whole

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)
NEARLY = st.text(alphabet='[]{},:"\\ \n\t0123.eE+-aftrulsnxd8é\x00', max_size=40)
OPENED = {
    "[": "]",
    "[ ": " ]",
    '{"a":': "}",
    '{ "]" : ': "\n}",
    "[1,": "]",
    '{"a":1,"b":': ',"c":2}',
}


def deep(opened: list[str]) -> bytes:
    return ("".join(opened) + "{}" + "".join(OPENED[one] for one in reversed(opened))).encode()


DEEP = st.lists(st.sampled_from(sorted(OPENED)), max_size=30).map(deep)
LARGE: list[object] = [{"id": f"ant-{at}", "at": [at, at / 7], "gone": None} for at in range(3_000)]


def pieces(data: bytes, size: int) -> Iterable[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def is_json(data: bytes) -> bool:
    """As msgspec passes over it, with the UTF-8 that it does not look at, and the halves."""
    try:
        msgspec.json.decode(whole_characters(b"[" + data + b"]"), type=tuple[msgspec.Raw])
        data.decode()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def is_taken(data: bytes, size: int) -> bool:
    whole = Whole("body")
    try:
        for piece in pieces(data, size):
            whole.push(piece)
        whole.finish()
    except InvalidFile:
        return False
    return True


def parted(data: bytes, size: int) -> tuple[dict[str, bytes], object]:
    envelope, found = Envelope({"a", "b"}, "body"), dict[str, bytes]()
    for piece in pieces(data, size):
        for key, part in envelope.push(piece):
            found[key] = found.get(key, b"") + part
    return found, json.loads(envelope.finish())


@given(VALUES, st.sampled_from((None, 1)), st.booleans())
def test_whatever_is_json_is_taken_wherever_it_is_cut(
    value: object, indent: int | None, is_ascii: bool
) -> None:
    data = json.dumps(value, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "replace")
    assert is_json(data)
    for size in (1, 2, 3, 7, len(data)):
        assert is_taken(data, size), size


@given(NEARLY.map(str.encode) | st.binary(max_size=20), st.integers(1, 9))
def test_what_is_nearly_json_is_taken_as_others_take_it(data: bytes, size: int) -> None:
    assert is_taken(data, size) == is_json(data)


@given(VALUES.map(lambda value: json.dumps(value).encode()) | DEEP, st.data())
def test_what_was_changed_somewhere_is_taken_as_others_take_it(
    data: bytes, drawn: st.DataObject
) -> None:
    at = drawn.draw(st.integers(0, len(data)))
    end = drawn.draw(st.integers(at, min(len(data), at + 3)))
    put = drawn.draw(
        st.sampled_from([b"", b",", b'"', b"\\", b"]", b"{", b"1", b"\\ud800", b"\xc3"])
    )
    changed = data[:at] + put + data[end:]
    assert is_taken(changed, drawn.draw(st.integers(1, 30))) == is_json(changed)


@given(st.lists(DEEP, min_size=1, max_size=4), st.integers(1, 200))
def test_brackets_in_brackets_are_taken_wherever_they_are_cut(
    values: list[bytes], size: int
) -> None:
    data = b"[" + b",".join(values) + b"]"
    assert is_json(data)
    assert is_taken(data, size)
    assert parted(b'{"a":{"c":' + data + b"} }", size) == ({"a": b'{"c":' + data + b"}"}, {})


@pytest.mark.parametrize("depth", [1, 2, json_value.DEPTH_MAX - 1, json_value.DEPTH_MAX])
@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_as_many_brackets_as_may_be_open_are_taken(opened: str, depth: int) -> None:
    data = deep([opened] * (depth - 1))
    for size in (1, 64, len(data)):
        assert is_taken(data, size)
        assert is_taken(b"[" + data + b"]", size) is (depth < json_value.DEPTH_MAX)


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_brackets_that_open_together_are_one_step(opened: str) -> None:
    """What does not lie flat is not slow for that: 150 MB of it took minutes."""
    calls = 0

    def called(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    data = b"[" + b",".join([deep([opened] * 500)] * 5) + b"]"
    assert is_taken(data, len(data))
    sys.setprofile(called)
    try:
        assert is_taken(data, len(data))
    finally:
        sys.setprofile(None)
    assert calls < 200, "not one for each bracket"


@given(VALUES, VALUES, VALUES, st.permutations(("a", "b", "c")), st.integers(1, 50))
def test_members_that_are_wanted_are_handed_on_and_all_others_kept(
    one: object, two: object, three: object, order: list[str], size: int
) -> None:
    value = dict(zip(order, (one, two, three), strict=True))
    found, others = parted(json.dumps(value, indent=1).encode(), size)
    wanted = {key: value[key] for key in "ab" if value[key] is not None}
    assert {key: json.loads(part) for key, part in found.items()} == wanted
    assert others == json.loads(json.dumps({"c": value["c"]}))


def test_the_bytes_of_a_member_are_those_that_came() -> None:
    text = b' [ 1.50 , "\\u00e9\\/" ]'
    body = b'{"tick":5, "a" :' + text + b' \n, "more":{"x":[]}}\r\n'
    for size in range(1, len(body)):
        assert parted(body, size) == ({"a": text.strip()}, {"tick": 5, "more": {"x": []}})


@pytest.mark.parametrize(
    ("body", "place", "why"),
    [
        (b'{"a":1,"a":2}', 11, "occurs twice"),
        (b'{"a":1}}', 7, "goes on"),
        (b'{"a":1', 6, "too early"),
        (b'{"a":[1', 7, "too early"),
        (b"", 0, "too early"),
        (b"[1]", 0, "an object"),
        (b'{"a" 1}', 5, ": is missing"),
        (b'{"a":1 "b":2}', 7, ", or }"),
        (b"{1:2}", 1, "a key"),
        (b'{"' + b"x" * 2_000 + b'":1}', 1, "a key"),
        (b'{"x":"' + b"x" * (1 << 20) + b'"}', None, "beside a and b"),
        (b'{"a":"\xc3\xc3"}', 6, "UTF-8"),
        (b'{"a":"\\ud80x"}', 6, "escape"),
        (b'{"a":"\\\\\\x"}', 8, "escape"),
        (b'{"a":"\x01"}', 6, "control"),
        (b'{"a":' + b"1" * 2_000 + b"}", 5, "digits"),
        (b'{"a":' + b"[" * 2_000, 1_005, "deep"),
        (b'{"a":tru}', 5, "no value"),
        (b'{"a":[1,]}', 8, "no value"),
        (b'{"a":{"b":1,}}', 12, "a key"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(body: bytes, place: int | None, why: str) -> None:
    for size in (1, 5, len(body) + 1):
        if size < len(body) > 5_000:
            continue
        with pytest.raises(InvalidFile, match=why) as told:
            parted(body, size)
        assert place is None or told.value.place.byte == place, size


def test_of_other_members_those_are_kept_that_say_something() -> None:
    long = b'"' + b"x" * (1 << 20) + b'"'
    body = b'{"z":' + long + b',"tick":1,"a":[2],"\\u0064ay":3,"z":' + long + b',"y":{"tick":4}}'
    for size in (5_000, len(body)):
        envelope, found = Envelope({"a"}, "body", kept={"tick", "day"}), b""
        for piece in pieces(body, size):
            found += b"".join(part for _, part in envelope.push(piece))
        assert found == b"[2]"
        assert json.loads(said := envelope.finish()) == {"tick": 1, "day": 3}
        assert envelope.kept_bytes == len(said) - len("{}")
    with pytest.raises(InvalidFile, match="no value"):
        list(Envelope({"a"}, "body", kept={"tick"}).push(b'{"z":tru}'))
    with pytest.raises(InvalidFile, match="beside a"):
        list(Envelope({"a"}, "body", kept={"z"}).push(body))


def test_what_is_larger_than_a_step_is_handed_on_piece_by_piece() -> None:
    data = json.dumps({"a": LARGE, "b": "é" * json_pieces.STEP_BYTES}).encode()
    assert len(data) > 4 * json_pieces.STEP_BYTES
    found, _ = parted(data, len(data))
    assert json.loads(found["a"]) == LARGE
    largest = max(len(part) for _, part in Envelope({"a", "b"}, "body").push(data))
    assert largest <= json_pieces.STEP_BYTES + json_value.ATOM_BYTES_MAX


def test_of_an_envelope_few_members_are_gone_over() -> None:
    """Each takes its time, also of those that are passed over."""
    members = [b'"c":1'] * json_pieces.MEMBERS_MAX

    def passes(members: list[bytes]) -> bytes:
        envelope = Envelope({"a"}, "body", kept=())
        assert [*envelope.push(b"{" + b",".join(members) + b"}")] == []
        return envelope.finish()

    assert passes(members) == b"{}"
    with pytest.raises(InvalidFile, match="has more than 10,000 members"):
        passes([*members, b'"c":1'])
