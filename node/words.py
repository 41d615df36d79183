"""Rights in words, and areas as people write them.

    AREA  = [whose] ["/" class ["/" kind ["/" record]]] ["@" [from] ".." [until]]
    whose = did:key:… | NAME | "*"           nothing: everyone, as "*" is
    from  = 2027-01-01 | 2027-01-01T12:00Z   until: before that moment; both in UTC

    alice/pub/mod/io.x@..2027-01-01 ─▸ the module io.x of alice, until 2027-01-01

A key that nobody gave a name here is written whole: the ends of two can be made alike.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from crdt.area import Area
from crdt.capability import READ, Capability
from crdt.change import DocumentId
from crdt.did import decode_did_key, encode_did_key
from crdt.entry import tai_from_unix_us, unix_us_from_tai
from crdt.keys import COMMONS, AuthorKey
from crdt.path import (
    AUTHORITY,
    CHECKPOINT,
    CLASSES,
    PUBLIC,
    RATING,
    RECORD_BYTES_MAX,
    escape,
    shown,
)
from node.errors import BadRequest, NotFound
from registry.listed import rfc3339
from registry.module import CLASS, KIND

AREA_CHARACTERS_MAX = 600
"""A did:key, a record, two moments, and room to say what is wrong."""

ANYONE: Final = "*"

Names = Mapping[bytes, str]
"""Key of an author, a device or a namespace -> what this person calls it."""

_NAME: Final = re.compile(r"[A-Za-z0-9._:/+@-]+", re.ASCII)
_YEAR_9999_US: Final = 253_402_300_799_000_000
_LOG: Final = (AUTHORITY.encode(),)
_CLASS_WORDS: Final = {
    PUBLIC: "everything published",
    RATING: "the ratings",
    AUTHORITY: "the statements of who may write",
    CHECKPOINT: "the checkpoints",
}


@dataclass(frozen=True, slots=True)
class WrittenArea:
    """An area as it was written: `whose` may still be a name."""

    whose: str | None
    path: tuple[bytes, ...]
    start: int
    end: int | None

    def of(self, subspace: AuthorKey | None) -> Area:
        """With the author for the name."""
        return Area(subspace, self.path, self.start, self.end)


def parse_area(text: str, names: Mapping[str, str]) -> Area:
    """The area that `text` means; `names` are petname -> did:key.

    Raises `BadRequest` (`bad-area`) that says what is wrong, `NotFound` (`unknown-petname`), or
    `Malformed` for a did:key that is none.
    """
    written = read_area(text)
    if written.whose is None:
        return written.of(None)
    did = written.whose if written.whose.startswith("did:") else names.get(written.whose)
    if did is None:
        detail = f"{text!r}: {written.whose!r} is nobody's name here; see `panspermia name list`"
        raise NotFound(detail, code="unknown-petname")
    return written.of(AuthorKey(decode_did_key(did)))


def read_area(text: str) -> WrittenArea:
    """What is written, without asking whom a name means. Raises `BadRequest` (`bad-area`)."""
    if len(text) > AREA_CHARACTERS_MAX:
        raise _bad(text[:80], f"an area of {len(text)} characters, at most {AREA_CHARACTERS_MAX}")
    place, at, times = text.rpartition("@")
    if not at or ".." not in times:
        place, times = text, ".."
    whose, *parts = place.split("/", 3)  # a record may have slashes of its own
    _check_path(text, parts)
    start_text, _, end_text = times.partition("..")
    start = parse_moment(start_text) if start_text else 0
    end = parse_moment(end_text) if end_text else None
    if end is not None and end <= start:
        raise _bad(text, "it ends before it begins")
    path = tuple(part.encode() for part in parts)
    return WrittenArea(None if whose in ("", ANYONE) else whose, path, start, end)


def parse_moment(text: str) -> int:
    """`2027-01-01`, or with a time, in UTC unless it says otherwise, as a timestamp of entries.

    Raises `BadRequest` (`bad-date`).
    """
    return tai_from_unix_us(parse_unix_us(text))


def parse_unix_us(text: str) -> int:
    """The same in µs since 1970, of whole seconds. Raises `BadRequest` (`bad-date`)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        detail = f"{text[:40]!r} is no date: write it as 2027-01-01 or 2027-01-01T12:00Z"
        raise BadRequest(detail, code="bad-date") from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 1_000_000


def moment_text(timestamp: int) -> str:
    """`2027-01-01`, with the time where it is not midnight, UTC."""
    unix_us = unix_us_from_tai(timestamp)
    if unix_us > _YEAR_9999_US:
        return "after the year 9999"
    text = datetime.fromtimestamp(unix_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return text.removesuffix(" 00:00:00 UTC").replace(":00 UTC", " UTC")


def area_text(area: Area) -> str:
    """As `parse_area` reads it, with keys whole: to be copied, so no names."""
    whose = encode_did_key(area.subspace) if area.subspace else ANYONE
    path = [*map(escape, area.path[:2]), *(_readable(part) for part in area.path[2:])]
    times = "@.." if "@" in "".join(path) else ""
    if area.start or area.end is not None:
        start = _iso(area.start) if area.start else ""
        times = f"@{start}..{_iso(area.end) if area.end is not None else ''}"
    return "/".join((whose, *path)) + times


def area_words(area: Area, names: Names) -> str:
    """`the module io.x of alice, until 2027-01-01`."""
    return ", ".join((_whose_words(area, names), *_times_words(area)))


def capability_words(capability: Capability, names: Names) -> str:
    """`may write the module io.x of alice in the namespace pond, until …; from alice`."""
    area = capability.granted_area
    place, times = _whose_words(area, names), _times_words(area)
    verb = "read" if capability.mode == READ else "write"
    here = "commons" if capability.namespace == COMMONS else key_words(capability.namespace, names)
    what = f"{verb} {place}"
    if verb == "write" and (area.subspace, area.path) == (capability.receiver, _LOG):
        what = "take back what they pass on"
    words = ", ".join((f"may {what} in the namespace {here}", *times))
    return f"{words}; {chain_words(capability, names)}"


def chain_words(capability: Capability, names: Names) -> str:
    """Through whose hands the right came: `from pond itself`, `from alice, passed on by bob`."""
    givers = capability.chain[:-1]
    if not givers:
        return "their own by right"
    first = key_words(givers[0], names)
    source = f"from the owner of {first}" if givers[0] == capability.namespace else f"from {first}"
    if len(givers) == 1:
        return source
    return f"{source}, passed on by {listed([key_words(one, names) for one in givers[1:]])}"


def key_words(key: bytes, names: Names) -> str:
    """What it is called here, or its whole did:key."""
    return names.get(key) or encode_did_key(key)


def record_text(document: DocumentId) -> str:
    """`did/id` of a module, else its path; an epoch after the first is said."""
    owner, record = encode_did_key(document.subspace), document.record
    if (document.cls, document.kind) == (CLASS, KIND):
        text = f"{owner}/{shown((record,))[1:]}"
    else:
        text = f"{owner}{shown((document.cls.encode(), document.kind.encode(), record))}"
    return text if document.epoch == 0 else f"{text} (epoch {document.epoch})"


def moment(unix_us: int) -> str:
    """Claims may lie in any year."""
    return rfc3339(max(0, min(unix_us, _YEAR_9999_US)))


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _whose_words(area: Area, names: Names) -> str:
    whose = key_words(area.subspace, names) if area.subspace else "everyone"
    return f"{_place_words(area.path)} of {whose}"


def _times_words(area: Area) -> list[str]:
    words: list[str] = []
    if area.start:
        words.append(f"from {moment_text(area.start)}")
    if area.end is not None:
        words.append(f"until {moment_text(area.end)}")
    return words


def _place_words(path: tuple[bytes, ...]) -> str:
    match path:
        case ():
            return "everything"
        case (cls,):
            return _CLASS_WORDS.get(escape(cls), f"everything under {_word('/' + escape(cls))}")
        case (b"pub", b"mod"):
            return "all modules"
        case (b"pub", b"uni"):
            return "all universes"
        case (b"rate", b"mod"):
            return "the ratings of modules"
        case (b"pub", b"mod", record):
            return f"the module {_word(_readable(record))}"
        case (b"pub", b"uni", record):
            return f"the universe {_word(_readable(record))}"
        case (b"rate", b"mod", record):
            return f"the rating of {_word(_readable(record))}"
        case _:
            return _word(f"/{'/'.join(map(escape, path))}")


def _word(text: str) -> str:
    """In quotes, where it could pass for more of the sentence than a name."""
    if _NAME.fullmatch(text):
        return text
    return '"' + text.replace('"', r"\u0022") + '"'


def _check_path(text: str, parts: Sequence[str]) -> None:
    if parts and parts[0] not in CLASSES:
        raise _bad(text, f"{parts[0]!r} is no class; there are {', '.join(CLASSES)}")
    if "" in parts:
        raise _bad(text, "a part of the path is empty")
    if any(len(part.encode()) > RECORD_BYTES_MAX for part in parts):
        raise _bad(text, f"a part of the path is longer than {RECORD_BYTES_MAX} bytes")


def _bad(text: str, why: str) -> BadRequest:
    detail = f"{text!r} is no area: {why}. Write it as WHOSE/class/kind/record@FROM..UNTIL"
    return BadRequest(detail, code="bad-area")


def _readable(record: bytes) -> str:
    """A record may have slashes, which an area takes as they are."""
    return escape(record).replace(r"\u002f", "/")


def _iso(timestamp: int) -> str:
    unix_us = unix_us_from_tai(timestamp)
    if unix_us > _YEAR_9999_US:
        return "9999-12-31T23:59:59Z"
    return datetime.fromtimestamp(unix_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
