"""States of one universe on their way to the node: the same bytes go once, however many have them.

A file that an index names a thousand times would else go out a thousand times. The first state of
each bytes brings them; those behind it say which snapshot that is.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from node.client import Client
from node.commands.universe_sending import (
    Heard,
    Sent,
    as_plain,
    send,
    send_same,
    with_or_without_event,
)
from node.failure import Failure

if TYPE_CHECKING:
    from node.commands.world_files import WorldFiles
    from universe.formats import ImportedSnapshot

TO_BE_SENT: Final = frozenset({"unknown-snapshot", "not-held", "bad-query"})
"""How a node says that it has to get the bytes: they went meanwhile, or what is said beside them
has no room in an address."""

Alike: TypeAlias = tuple[bytes, bool, str]
"""Of a state: its BLAKE3, whether it goes inside of JSON, and its media type."""


class Once:
    """Sends each; from several threads at once."""

    def __init__(
        self, node: Client, files: WorldFiles, id: str, snapshots: Iterable[ImportedSnapshot]
    ) -> None:
        self._node, self._id = node, id
        self._send = partial(send, node, files, id)
        counts = Counter(map(alike, snapshots))
        self._several = {one for one, count in counts.items() if count > 1}
        self._turn = threading.Lock()
        self._first: dict[Alike, Future[Sent | None]] = {}
        """None: it could not be sent."""

    def send(self, snapshot: ImportedSnapshot, heard: Heard) -> Sent:
        """No state is lost for the event that is said beside it. Raises as `send`."""
        key = alike(snapshot)
        if key not in self._several:
            return self._all_of(snapshot, heard)
        mine = Future[Sent | None]()
        while True:
            with self._turn:
                first = self._first.setdefault(key, mine)
            if first is mine:
                return self._bring(key, mine, snapshot, heard)
            if (sent := first.result()) is not None:
                return self._like(sent, snapshot, heard)

    def _bring(
        self, key: Alike, mine: Future[Sent | None], snapshot: ImportedSnapshot, heard: Heard
    ) -> Sent:
        try:
            sent = self._all_of(snapshot, heard)
        except BaseException:
            with self._turn:
                del self._first[key]
            mine.set_result(None)  # the next one tries
            raise
        mine.set_result(sent)
        return sent

    def _all_of(self, snapshot: ImportedSnapshot, heard: Heard) -> Sent:
        def go(one: ImportedSnapshot) -> Sent:
            return self._send(one, heard)

        return with_or_without_event(self._node, self._id, snapshot, go)

    def _like(self, first: Sent, snapshot: ImportedSnapshot, heard: Heard) -> Sent:
        """With the bytes that `first` brought."""
        if first.answer["entry"].get("wrapped", False) != first.is_wrapped:
            return self._all_of(snapshot, heard)  # it was there, and goes back in another way

        def go(one: ImportedSnapshot) -> Sent:
            goes, ticks_left = one, None
            if one.is_wrapped and not first.is_wrapped:
                goes, ticks_left = as_plain(one)
            try:
                answer = send_same(self._node, self._id, goes, str(first.answer["id"]))
            except Failure as wrong:
                if wrong.problem.get("code") not in TO_BE_SENT:
                    raise
                return self._send(one, heard)
            return Sent(answer, goes.is_wrapped, ticks_left)

        return with_or_without_event(self._node, self._id, snapshot, go)


def alike(one: ImportedSnapshot) -> Alike:
    return one.content.checksum, one.is_wrapped, one.media
