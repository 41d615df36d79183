"""Willow'25 paths, and the one shape of path that our entries have.

A path is a tuple of byte strings. Its encoding: one byte (4-bit tag of the total length, 4-bit tag
of the count), their following bytes, then for each component but the last an 8-bit tag with its
bytes and the component; the last one's length is what remains.

    ["pub", "mod", record, epoch 4, device 32, seq 8 ‖ payload digest 32]

is the path of every change: six components, so that no path is a prefix of another and Willow's
pruning never fires, and with the digest in it, so that both sides of an equivocation are kept.
"""

import re
from dataclasses import dataclass
from typing import Final

from crdt.digest import DIGEST_BYTES
from crdt.encoding import U64_MAX, Reader, c64, read_c64
from crdt.errors import Malformed
from crdt.keys import KEY_BYTES, DeviceKey

Path = tuple[bytes, ...]

COMPONENT_BYTES_MAX = 4096
COMPONENTS_MAX = 4096
PATH_BYTES_MAX = 4096
"""Willow'25: MCL, MCC and MPL."""

PUBLIC, RATING, AUTHORITY, CHECKPOINT = "pub", "rate", "_auth", "_ck"
CLASSES: Final = (PUBLIC, RATING, AUTHORITY, CHECKPOINT)
DEPTH = 6
RECORD_BYTES_MAX = 255
"""One byte of length wherever a record is named; reverse domains and hashes fit."""
EPOCH_MAX: Final = (1 << 32) - 1

_EPOCH_BYTES, _SEQ_BYTES = 4, 8
_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)


def encode_path(path: Path) -> bytes:
    """Also the encoding of a path relative to a prefix of it, given only what it adds."""
    length_tag, length = c64(sum(map(len, path)), 4)
    count_tag, count = c64(len(path), 4)
    out = bytearray([length_tag << 4 | count_tag])
    out += length
    out += count
    for component in path[:-1]:
        tag, size = c64(len(component), 8)
        out.append(tag)
        out += size
        out += component
    if path:
        out += path[-1]
    return bytes(out)


def read_path(reader: Reader) -> Path:
    """A path, canonical or not: the caller who needs one encoding encodes again and compares."""
    header = reader.byte()
    left = read_c64(reader, header >> 4, 4)
    count = read_c64(reader, header & 15, 4)
    if left > PATH_BYTES_MAX or count > COMPONENTS_MAX or (left and not count):
        raise Malformed("path-size", f"a path of {count} components and {left} bytes")
    path: list[bytes] = []
    for number in range(count):
        size = left if number == count - 1 else read_c64(reader, reader.byte(), 8)
        if size > left or size > COMPONENT_BYTES_MAX:  # before any allocation
            raise Malformed("path-component", f"component {number} claims {size} of {left} bytes")
        path.append(reader.take(size))
        left -= size
    return tuple(path)


def check_path_size(path: Path) -> None:
    """`Malformed` for a path over Willow'25's limits."""
    size = sum(map(len, path))
    if size > PATH_BYTES_MAX or len(path) > COMPONENTS_MAX:
        raise Malformed("path-size", f"a path of {len(path)} components and {size} bytes")


@dataclass(frozen=True, slots=True)
class ChangePath:
    """Where one change of a document lies; never made with a part that has no place in a path."""

    cls: str
    kind: str
    record: bytes
    epoch: int
    device: DeviceKey
    seq: int
    payload_digest: bytes

    def __post_init__(self) -> None:
        if self.cls not in CLASSES:
            raise Malformed("path-class", f"{self.cls[:40]!r} is no class, which are {CLASSES}")
        if not _KIND.fullmatch(self.kind):
            raise Malformed("path-kind", f"{self.kind[:40]!r} is no kind: a-z, 0-9, -, at most 32")
        if not 1 <= len(self.record) <= RECORD_BYTES_MAX:
            raise Malformed("path-record", f"a record id of {len(self.record)} bytes")
        if not 0 <= self.epoch <= EPOCH_MAX:
            raise Malformed("path-epoch", f"epoch {self.epoch}")
        if not 1 <= self.seq <= U64_MAX:
            raise Malformed("path-seq", f"sequence number {self.seq}, the first is 1")
        if len(self.device) != KEY_BYTES or len(self.payload_digest) != DIGEST_BYTES:
            raise Malformed("path-width", "a device key or a digest of another width")

    def path(self) -> Path:
        """The six components."""
        return (
            self.cls.encode(),
            self.kind.encode(),
            self.record,
            self.epoch.to_bytes(_EPOCH_BYTES, "big"),
            self.device,
            self.seq.to_bytes(_SEQ_BYTES, "big") + self.payload_digest,
        )

    @classmethod
    def parse(cls, path: Path) -> "ChangePath":
        """What `path` says; `Malformed` for any other depth, width, class or kind."""
        if len(path) != DEPTH:
            raise Malformed("path-depth", f"a path of {len(path)} components, ours have {DEPTH}")
        class_, kind, record, epoch, device, last = path
        if len(epoch) != _EPOCH_BYTES or len(last) != _SEQ_BYTES + DIGEST_BYTES:
            raise Malformed("path-width", f"an epoch of {len(epoch)}, a last part of {len(last)}")
        return cls(
            # latin-1 maps every byte, and the checks above admit only ASCII
            cls=class_.decode("latin-1"),
            kind=kind.decode("latin-1"),
            record=record,
            epoch=int.from_bytes(epoch, "big"),
            device=DeviceKey(device),
            seq=int.from_bytes(last[:_SEQ_BYTES], "big"),
            payload_digest=last[_SEQ_BYTES:],
        )


def escape(component: bytes) -> str:
    r"""For people: nothing in it moves the cursor, turns the line round, or looks like a folder.

    A byte that is no UTF-8 stands as \xNN, a character that is not seen (controls, bidi, any space
    but the plain one) as \uNNNN, and so do `/`, `\` and the dots of `.` and `..`.
    """
    text = component.decode("utf-8", "surrogateescape")
    if text in (".", ".."):
        return text.replace(".", r"\u002e")
    return "".join(map(_escape_character, text))


def shown(path: Path) -> str:
    """A whole path for people: `/pub/mod/io.univrs.user/…`, every component escaped."""
    return "/" + "/".join(map(escape, path))


def _escape_character(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # how surrogateescape marks a byte that is no UTF-8
        return rf"\x{number - 0xDC00:02x}"
    if character in r"\/" or not character.isprintable():
        return rf"\u{number:04x}" if number <= 0xFFFF else rf"\U{number:08x}"
    return character
