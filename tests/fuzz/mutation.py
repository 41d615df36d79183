"""Inputs that differ from good ones as those of an attacker would; the same for the same random.

A mutation takes an input, a random and other inputs to take pieces from. Noise alone never passes
the first check of a format, so there is one kind of mutation for each kind of format.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeAlias, cast

from crdt import cbor
from crdt.errors import Malformed
from crdt.leb128 import uleb

Mutate: TypeAlias = Callable[[bytes, Random, Sequence[bytes]], bytes]

NUMBERS = (
    *(0, 1, 2, 16, 17, 23, 24, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 4_096, 4_097, 65_535),
    *(65_536, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 53) + 1),
    *((1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, 1 << 70),
)
TEXTS = (
    *("", "..", ".", "/", "../../etc/passwd", "\0", "\u202e", "\u2066", "\x1b[31m", "\ud800", "ａ"),
    *("[", "{", '"', "'", "=", ".", "\n", "\r\n", "#", "a.b", "did:key:z6Mk", "9" * 400, "." * 200),
    *("[[package]]\n", "[module]\n", 'a = "b"\n', "1.0.0", "^1", "||", " - ", "x", "*", "é", "😀"),
    *("1e999", "nan", "0x", "true", "1979-05-27", "{a=1}", "[1]", '"""', "\\u0000", "\\"),
)
LARGE_ONE_IN = 150
LARGE_BYTES = 1 << 16


def mutate_bytes(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """One to eight small faults anywhere, or one large one."""
    out = bytearray(data)
    if random.randrange(LARGE_ONE_IN) == 0:
        _grow(out, random)
    for _ in range(1 << random.randrange(4)):
        random.choice(_FAULTS)(out, random, others)
    return bytes(out)


def mutate_cbor(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """A canonical value with something else in it; now and then, bytes that are none."""
    if random.randrange(5) == 0:
        return mutate_bytes(data, random, others)
    try:
        value: object = cbor.decode(data, bytes_max=1 << 21)
        for _ in range(1 << random.randrange(3)):
            value = _mutate_value(value, random, others)
        return cbor.encode(value)
    except (Malformed, TypeError, ValueError):  # too deep, or keys of two kinds
        return mutate_bytes(data, random, others)


def mutate_frames(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Some frames of a conversation changed, left out, repeated, or in another order."""
    frames = split_frames(data)
    for _ in range(1 << random.randrange(3)):
        if not frames:
            return join_frames(split_frames(random.choice(others)))
        at = random.randrange(len(frames))
        match random.randrange(8):
            case 0:
                del frames[at]
            case 1:
                frames[at:at] = frames[at : at + 1] * random.choice((1, 1, 3, 70))
            case 2:
                other = random.randrange(len(frames))
                frames[at], frames[other] = frames[other], frames[at]
            case 3:
                frames.insert(at, random.choice(split_frames(random.choice(others)) or [b""]))
            case _:
                frames[at] = mutate_cbor(frames[at], random, frames)
    return join_frames(frames)


def mutate_text(data: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Words put in, lines repeated or moved, and faults of bytes that leave it UTF-8 or not."""
    if random.randrange(4) == 0:
        return mutate_bytes(data, random, others)
    text = data.decode("utf-8", "surrogateescape")
    for _ in range(1 << random.randrange(4)):
        start, end = _slice(len(text), random)
        match random.randrange(5):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:end] + text[start:end] * random.choice((1, 2, 40)) + text[end:]
            case 2:
                lines = text.split("\n")
                random.shuffle(lines)
                text = "\n".join(lines)
            case _:
                text = text[:start] + random.choice(TEXTS) + text[start if start % 2 else end :]
    return text.encode("utf-8", "surrogatepass" if "\ud800" in text else "surrogateescape")


def join_frames(frames: Sequence[bytes]) -> bytes:
    """Each behind its length, as on the stream."""
    return b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)


def split_frames(data: bytes) -> list[bytes]:
    """What `join_frames` joined; whatever is left over is a frame too."""
    frames: list[bytes] = []
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        frames.append(data[at + 4 : end])
        at = end
    return frames


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────


def _slice(size: int, random: Random, most: int = 64) -> tuple[int, int]:
    start = random.randint(0, size)
    return start, min(size, start + random.randint(0, most))


def _flip(out: bytearray, random: Random, others: Sequence[bytes]) -> None:
    if out:
        out[random.randrange(len(out))] ^= 1 << random.randrange(8)


def _set(out: bytearray, random: Random, others: Sequence[bytes]) -> None:
    if out:
        out[random.randrange(len(out))] = random.choice((0, 1, 0x7F, 0x80, 0xFF, out[0]))


def _delete(out: bytearray, random: Random, others: Sequence[bytes]) -> None:
    start, end = _slice(len(out), random)
    del out[start:end]


def _insert(out: bytearray, random: Random, others: Sequence[bytes]) -> None:
    at = random.randint(0, len(out))
    out[at:at] = random.randbytes(random.choice((1, 2, 32, 64)))


def _repeat(out: bytearray, random: Random, others: Sequence[bytes]) -> None:
    start, end = _slice(len(out), random)
    out[end:end] = out[start:end] * random.choice((1, 2, 16))


def _cut(out: bytearray, random: Random, others: Sequence[bytes]) -> None:
    del out[random.randint(0, len(out)) :]


def _write_number(out: bytearray, random: Random, others: Sequence[bytes]) -> None:
    """A number that means something, in a width that formats have, over what is there."""
    number = random.choice(NUMBERS) & (1 << 64) - 1
    at = random.randint(0, len(out))
    size = random.choice((1, 2, 4, 8, 0))
    data = (number & (1 << 8 * size) - 1).to_bytes(size, "big") if size else uleb(number)
    out[at : at + (len(data) if random.randrange(2) else 0)] = data


def _splice(out: bytearray, random: Random, others: Sequence[bytes]) -> None:
    """A piece of another input."""
    other = random.choice(others)
    start, end = _slice(len(other), random, len(other))
    at = random.randint(0, len(out))
    out[at : at + (end - start) * random.randrange(2)] = other[start:end]


def _grow(out: bytearray, random: Random) -> None:
    """As long as anything may be."""
    start, end = _slice(len(out), random)
    piece = bytes(out[start:end]) or b"\0"
    out[end:end] = piece * (random.randint(1, LARGE_BYTES) // len(piece))


_FAULTS = (_flip, _flip, _set, _delete, _insert, _repeat, _cut, _write_number, _splice)

# ── CBOR ─────────────────────────────────────────────────────────────────────────────────────────


def _mutate_value(value: object, random: Random, others: Sequence[bytes]) -> Any:  # noqa: ANN401 - plain
    """`value` with one place in it changed."""
    if random.randrange(6) == 0:
        return _other_value(value, random)
    match value:
        case list() if value:
            return _mutate_list(cast("list[object]", value), random, others)
        case dict() if value:
            return _mutate_map(cast("dict[Any, object]", value), random, others)
        case bytes():
            return (
                mutate_cbor(value, random, others) if random.randrange(2) else _sized(value, random)
            )
        case str():
            changed = mutate_text(value.encode(), random, others)
            return changed.decode("utf-8", "replace")
        case int() if not isinstance(value, bool):
            return random.choice((value + 1, value - 1, *NUMBERS[:-2], -1, -(1 << 64)))
        case _:
            return _other_value(value, random)


def _mutate_list(items: list[object], random: Random, others: Sequence[bytes]) -> list[object]:
    at = random.randrange(len(items))
    match random.randrange(6):
        case 0:
            return items[:at] + items[at + 1 :]
        case 1:
            # One that is repeated may hold others that were: what matters is how long they are.
            room = LARGE_BYTES // len(cbor.encode(items[at]))
            times = min(random.choice((2, 2, 65, 600)), max(2, room))
            return items[:at] + items[at : at + 1] * times + items[at + 1 :]
        case 2:
            return [*items, _other_value(None, random)]
        case _:
            return [*items[:at], _mutate_value(items[at], random, others), *items[at + 1 :]]


def _mutate_map(
    items: dict[Any, object], random: Random, others: Sequence[bytes]
) -> dict[Any, object]:
    key = random.choice(list(items))
    match random.randrange(6):
        case 0:
            return {each: items[each] for each in items if each != key}
        case 1:
            other = _mutate_value(key, random, others)
            return {(other if each == key else each): items[each] for each in items}
        case _:
            return {**items, key: _mutate_value(items[key], random, others)}


def _sized(value: bytes, random: Random) -> bytes:
    """Other bytes of the same width, or the same bytes in another."""
    match random.randrange(4):
        case 0:
            return random.randbytes(len(value))
        case 1:
            return value.ljust(random.choice((16, 32, 64, 8_193, 65_537)), b"\0")
        case 2:
            return value[:-1]
        case _:
            return bytes(len(value))


def _other_value(value: object, random: Random) -> Any:  # noqa: ANN401 - any plain value
    deep: object = value
    for _ in range(random.choice((1, 2, 7))):
        deep = [deep]
    plain: tuple[object, ...] = (
        None,
        True,
        False,
        0,
        -1,
        1.5,
        b"",
        bytes(32),
        "",
        "\u202e",
        [],
        {},
        {"a": 1},
    )
    return random.choice((*plain, deep, random.choice(NUMBERS[:-2]), random.choice(TEXTS[:8])))
