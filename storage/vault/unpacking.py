"""Rows of the vault as plain bytes: first what they lean on, then they themselves.

    whole = 0 ‖ the bytes | 1 ‖ a zstd frame of them
    delta = ids of its bases, each as LEB128; a zstd frame whose dictionary is their bytes, joined

What is in the rows may be anything: a disk forgets. It costs no more than the bounds here.

What several lean on is unpacked once for all that are asked together, and let go behind the last of
them. So what is held at once grows with how high they lean, not with how many there are.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Final, NamedTuple

import zstandard

from crdt.delta import DATA_BYTES_MAX, Decoder
from crdt.errors import Malformed
from crdt.leb128 import uleb

PLAIN: Final = b"\x00"
PACKED: Final = b"\x01"
"""The first byte of what lies in `whole`: the plain bytes follow, or one zstd frame of them."""
CACHE_BYTES: Final = 8 << 20
"""Of plain bytes that others lean on, from those asked together to those asked next: what leads
down from the last of these. Objects of 16 KiB that lean 64 high have 1 MiB of it, of 64 KiB 4."""
HELD_BYTES: Final = 8 << 20
"""The same, of those that are asked together."""
HEIGHT_MAX: Final = 64
"""Deltas that lean one on the other."""
BASES_MAX: Final = 64
"""Of one delta: what covers the longest chunk is no more than 53 of the shortest."""
WORK_BYTES_MAX: Final = 512 << 20
"""That are unpacked for one object. What 64 deltas lean on takes some 60 MB."""


class Damaged(Exception):
    """A row cannot be unpacked. Does not leave the vault."""


class Row(NamedTuple):
    """A row of `whole`, which has no bases, or of `delta`."""

    bases: tuple[int, ...]
    data: bytes


class PlainCache:
    """Plain bytes by id, those used last: an id never stands for other bytes. For any threads."""

    def __init__(self, bytes_max: int = CACHE_BYTES) -> None:
        self._held: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self.bytes_max = bytes_max

    @property
    def held_bytes(self) -> int:
        """Of all that is held."""
        return self._bytes

    def get(self, id: int) -> bytes | None:
        """What was put there, if it is held yet."""
        with self._lock:
            found = self._held.get(id)
            if found is not None:
                self._held.move_to_end(id)
            return found

    def put(self, id: int, data: bytes) -> None:
        """Holds it until others are wanted more."""
        with self._lock:
            self._bytes += len(data) - len(self._held.pop(id, b""))
            self._held[id] = data
            while self._bytes > self.bytes_max:
                self._bytes -= len(self._held.popitem(last=False)[1])

    def forget(self, ids: Iterable[int]) -> None:
        """One of these may be held as bytes that it is not."""
        with self._lock:
            for id in ids:
                self._bytes -= len(self._held.pop(id, b""))


class Unpacking:
    """Unpacks what is in `rows`; `saw` is told of each that was not in the cache.

    Ask once for each. What is asked and leaned on too is best asked before those that lean on it.
    """

    def __init__(
        self,
        rows: Mapping[int, Row],
        cache: PlainCache,
        saw: Callable[[int, bytes], None] | None = None,
    ) -> None:
        self._rows = rows
        self._cache = cache
        self._saw = saw
        self._unpacker = zstandard.ZstdDecompressor()
        self._decoder = Decoder()
        self._work_bytes = 0
        self._left = Counter(base for row in rows.values() for base in row.bases)
        self._held = PlainCache(HELD_BYTES)

    @property
    def held_bytes(self) -> int:
        """Of objects on which some lean that were not asked yet; what the cache has not counted."""
        return self._held.held_bytes

    def plain(self, id: int) -> bytes:
        """The bytes for which `id` stands; whether they are the right ones is not known yet.

        Raises `Damaged`.
        """
        self._work_bytes = 0
        return self._plain(id, ())

    def _plain(self, id: int, above: tuple[int, ...]) -> bytes:
        for held in (self._held, self._cache):
            if (data := held.get(id)) is not None:
                return data
        row = self._rows.get(id)
        if row is None or id in above or len(above) > HEIGHT_MAX:
            raise Damaged(f"object {id} is not there, or leans on itself")
        if row.bases:
            inside = (*above, id)
            data = self._of_delta(row.data, [self._plain(base, inside) for base in row.bases])
            self._let_go(row.bases)
        else:
            data = self._of_whole(row.data)
        self._work_bytes += len(data)
        if self._work_bytes > WORK_BYTES_MAX:
            raise Damaged(f"object {id} leans on too much")
        if self._saw:
            self._saw(id, data)
        if above or row.bases:  # what is whole and was asked for itself is soon unpacked again
            self._cache.put(id, data)
        if self._left[id] > bool(above):  # by others than who asks
            self._held.put(id, data)
        return data

    def _let_go(self, bases: Sequence[int]) -> None:
        self._left.subtract(bases)
        self._held.forget(base for base in bases if self._left[base] <= 0)

    def _of_whole(self, data: bytes) -> bytes:
        kind, rest = data[:1], memoryview(data)[1:]
        if kind == PLAIN and len(rest) <= DATA_BYTES_MAX:
            return bytes(rest)
        if kind != PACKED:
            raise Damaged("neither packed nor plain")
        try:
            # The library ignores `max_output_size` where the frame itself names a size.
            if not 0 <= zstandard.frame_content_size(rest) <= DATA_BYTES_MAX:
                raise Damaged("a frame of another size than an object has")
            return self._unpacker.decompress(rest, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise Damaged(str(error)) from error

    def _of_delta(self, data: bytes, bases: Sequence[bytes]) -> bytes:
        try:
            return self._decoder.decode(data, bases, zstandard.frame_content_size(data))
        except (Malformed, zstandard.ZstdError) as error:
            raise Damaged(str(error)) from error


def encode_bases(ids: Sequence[int]) -> bytes:
    """As `delta.bases` has them."""
    return b"".join(uleb(id) for id in ids)


def decode_bases(data: bytes) -> tuple[int, ...]:
    """Raises `Damaged` where these are none."""
    ids: list[int] = []
    id = shift = 0
    for byte in data:  # here and not by `crdt.leb128`: of an old snapshot a million are read
        id |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            ids.append(id)
            id = shift = 0
        if shift > 63:
            raise Damaged("ids that cannot be read")
    if shift:
        raise Damaged("ids that cannot be read")
    if not 0 < len(ids) <= BASES_MAX or max(ids) >= 1 << 63:
        raise Damaged(f"{len(ids)} bases")
    return tuple(ids)
