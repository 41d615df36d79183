"""The Wants of one session that are open, and what their answers say.

An answer names a first part of what was asked for, at least one id; the rest is asked for again.
Whoever gives one id of five hundred in each answer, and the next just before it would be missed,
is never done. So an answer that is no part of a long one may leave something over only so often,
and the Want whose turn it is has a time that nothing else which the peer sends puts off.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES
from p2p.protocol import limits
from p2p.protocol.errors import PeerTimeout, RemoteProtocolError
from p2p.protocol.frames import Entries, Want, split_ids


@dataclass(frozen=True, slots=True)
class Asked:
    """A Want that is open, and since when."""

    namespace: NamespaceKey
    ids: Sequence[bytes]
    at_s: float
    is_on_trial: bool  # tokens were taken for it
    is_urgent: bool  # if not, tokens of the other bucket were


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer says of what was asked for."""

    asked: Asked
    missing: Sequence[bytes]
    rest: Sequence[bytes]


class Wants:
    """Those of one peer."""

    def __init__(self) -> None:
        self._open: dict[int, Asked] = {}  # the oldest first
        self._number = 0
        self._turned_s = 0.0  # when the last one was answered whose turn it was
        self._short = 0

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Asked]:
        return iter(self._open.values())

    @property
    def oldest_s(self) -> float | None:
        """When the oldest one was sent."""
        return next((asked.at_s for asked in self), None)

    @property
    def owed(self) -> int:
        """How many ids they name."""
        return sum(len(asked.ids) for asked in self)

    def open(self, asked: Asked) -> Want:
        """What is to be sent."""
        self._number += 1
        self._open[self._number] = asked
        return Want(self._number, asked.namespace, b"".join(asked.ids))

    def answer(self, frame: Entries, came: Iterable[bytes], *, now_s: float) -> Answered:
        """`came`: the ids of the entries in it. Raises `RemoteProtocolError` where it is none."""
        is_first = frame.number == next(iter(self._open), None)
        asked = self._open.pop(frame.number, None)
        if asked is None:
            raise RemoteProtocolError("entries", "entries came that nobody asked for")
        missing, given = split_ids(frame.missing), list(came)
        named = {*given, *missing}
        is_each_once = len(named) == len(given) + len(missing)
        if not named or not is_each_once or not named <= set(asked.ids):
            raise RemoteProtocolError("entries", "an answer does not fit what was asked for")
        if is_first:
            self._turned_s = now_s
        rest = [id for id in asked.ids if id not in named]
        if rest and not _is_long(frame):
            self._short += 1
            if self._short > limits.SHORT_ANSWERS_MAX:
                raise RemoteProtocolError("short-answers", "the peer gives entries one by one")
        return Answered(asked, missing, rest)

    def check(self, *, now_s: float) -> None:
        """Raises `PeerTimeout` where the oldest one is owed for too long."""
        if (sent_s := self.oldest_s) is None:
            return
        if now_s - max(sent_s, self._turned_s) >= limits.ANSWER_LONGEST_S:
            raise PeerTimeout("no-answer", "the peer sends this and that, but not what was asked")


def _is_long(frame: Entries) -> bool:
    """Whether it may have ended because it was long: an honest one is nearly full then."""
    size = sum(len(one.entry) + len(one.payload) for one in frame.entries)
    size += sum(map(len, frame.capabilities)) + ITEM_ID_BYTES * len(frame.entries)
    return size >= limits.ENTRIES_BYTES // 2
