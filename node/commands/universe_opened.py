"""A state of a universe written to a file, also where the disk of the node lost some of it.

```
fetched, where some is missing ─▸ written ─▸ broken off ─▸ fetched, and on from that byte
```
"""

from __future__ import annotations

from typing import IO, Any, Final, cast

from node.client import with_query
from node.commands.console import node
from node.commands.going_on import goes_on
from node.commands.progress import Progress
from node.exit_codes import NETWORK, NOT_RUNNING, UNVERIFIED
from node.failure import Failure, Json, failure
from node.text import size_text

TIMEOUT_S: Final = 600.0
TRIES: Final = 8
GET_AGAIN: Final = "What came is kept: ask again, and it goes on where it stopped."
ASK_AGAIN: Final = "Once somebody is connected who has it, ask again."


class Written:
    """Knows how much of it there is, and its BLAKE3."""

    def __init__(self, file: IO[bytes]) -> None:
        from blake3 import blake3

        self._file = file
        self._hasher = blake3()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._hasher.update(data)
        self.size += len(data)
        return len(data)

    @property
    def checksum(self) -> str:
        return self._hasher.hexdigest()


class Opening:
    """One state. `start`: where its universe is; `found`: what `nearest` says of the state."""

    def __init__(
        self,
        start: str,
        query: Json,
        found: Json,
        bars: Progress,
        patience_s: int | None = None,
    ) -> None:
        self._start, self._query, self._found, self._bars = start, query, found, bars
        self._patience_s = patience_s

    def write(self, file: IO[bytes], name: str) -> int:
        """Gives how many bytes; `name`: of the file, where there is one.

        Raises `Failure`, with exit 7 where it is damaged for now.
        """
        entry, written = self._found["entry"], Written(file)
        more = {
            **self._query, "snapshot": entry["id"], "raw": "true", "patience_s": self._patience_s,
        }  # fmt: skip
        path = with_query(f"{self._start}/snapshot/{entry['tick']}", more)
        for left in reversed(range(TRIES)):
            self._hold()
            before = written.size
            try:
                with goes_on(GET_AGAIN):
                    told = self._bars.bytes_of(name, "write") if name else _unwatched
                    sink = cast("IO[bytes]", written)
                    node().download(path, sink, told, TIMEOUT_S, before)
            except Failure as broken:
                if broken.problem.get("code") != "connection-lost" or not left:
                    raise
                self._look_again(broken)
                if self._found["held"] and written.size == before:
                    raise
                continue
            break
        if written.checksum != entry["checksum"]:
            detail = f"the bytes of snapshot {entry['id']} are not those that were signed"
            raise failure("verification-failed", "Something else came", detail, UNVERIFIED)
        return written.size

    def _look_again(self, broken: Failure) -> None:
        """Whether all of it is here now. Raises `broken` where the node is gone."""
        query = {**self._query, "snapshot": self._found["entry"]["id"]}
        try:
            self._found = node().get(f"{self._start}/nearest/latest", query)
        except Failure as gone:
            if gone.exit == NOT_RUNNING:
                raise broken from gone
            raise

    def _hold(self) -> None:
        """Has the node fetch what is missing, and shows how far it is."""
        found, entry = self._found, self._found["entry"]
        if found["held"]:
            return
        from node.commands.verify import hold

        last: dict[str, Any] = {}

        def told(line: Json) -> None:
            last.update(line)
            self._bars.show({**line, **of, "total": line.get("total") or entry["fileSize"]})

        of = {
            "id": found["fullName"],
            "tick": entry["tick"],
            "called": f"{found['universeId']} at tick {entry['tick']:,}",
        }
        told({"stage": "fetch", "done": 0})
        try:
            where = {"universe": found["fullName"], "namespace": self._query.get("namespace")}
            hold(node(), found["blob"], told, (), self._patience_s, **where)
        except Failure as wrong:
            if wrong.exit != NETWORK:
                raise
            why = wrong.problem.get("detail", "")
            if not found["damaged"]:
                size, then = size_text(entry["fileSize"]), GET_AGAIN if last["done"] else ASK_AGAIN
                some = f"{size_text(last['done'])} of {size} are"
                if not last["done"]:
                    some = f"nothing of its {size} is"
                again = "" if "ask again" in why else f"\n{then}"
                detail = f"{of['called']}: {some} here.\n{why}{again}"
                raise Failure({**wrong.problem, "detail": detail}, wrong.exit) from wrong
            detail = (
                f"The snapshot of {found['fullName']} at tick {entry['tick']:,}"
                f" ({entry['id'][:16]}) was damaged on the disk: {why}\n"
                "Connect to somebody who has it, then: panspermia scrub"
            )
            raise failure(
                "snapshot-damaged", "The snapshot is damaged", detail, UNVERIFIED
            ) from wrong


def _unwatched(done: int, total: int) -> None:
    """On a pipe nobody sees a bar."""
