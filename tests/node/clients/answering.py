"""A server that answers uploads as a test says, and what helpers do with each answer."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

SENT, WAITS, REFUSED = "sent", "waits", "refused"
MISMATCHES_MAX = 5
WORDLESS = "wordless"
"""The code of an answer that says nothing else: its `detail` is there, and empty."""
ANSWERS: list[tuple[int, str, str]] = [
    (200, "", SENT),
    (201, "", SENT),
    (200, "nobody", WAITS),
    (302, "", WAITS),
    (400, "", REFUSED),
    (400, "bad-tick", REFUSED),
    (400, "bad-query", REFUSED),
    (400, "cut-off", WAITS),
    (400, "unknown-parameter", WAITS),
    (401, "unauthorized", WAITS),
    (403, "no-capability", WAITS),
    (404, "", WAITS),
    (404, "unknown-record", WAITS),
    (404, WORDLESS, WAITS),
    (408, "cut-off", WAITS),
    (409, "in-progress", WAITS),
    (409, "snapshot-not-kept", WAITS),
    (413, "", REFUSED),
    (414, "", REFUSED),
    (415, "content-encoding", REFUSED),
    (421, "host-not-allowed", WAITS),
    (422, "checksum-mismatch", WAITS),
    (422, "idempotency-key-reused", REFUSED),
    (422, "invalid-record", REFUSED),
    (422, "snapshot-not-kept", WAITS),
    (429, "too-many-submissions", WAITS),
    (431, "", REFUSED),
    (500, "storage-failed", WAITS),
    (503, "", WAITS),
    (507, "over-quota", WAITS),
    (507, "universe-full", WAITS),
    (507, "record-full", WAITS),
]
"""Status, code, and what becomes of a save that is answered so; one that waits is sent again."""


@dataclass(frozen=True)
class Heard:
    """One request. `start`: the first part of its path."""

    start: str
    query: dict[str, str]
    key: str
    body: bytes


@dataclass
class Answering:
    url: str = ""
    heard: list[Heard] = field(default_factory=list[Heard])
    answer: Callable[[Heard], tuple[int, object]] = lambda _: (201, {"success": True})
    """Status and body: an object, or the text of something else."""


def problem(status: int, code: str, detail: str = "it is so") -> tuple[int, object]:
    """As a node says it; without a code as a proxy does."""
    if status in (200, 201) and not code:
        return status, {"success": True}
    return status, {"code": code, "detail": detail} if code else "no JSON"


def row_answer(row: int) -> tuple[int, object]:
    """What `ANSWERS` says there."""
    status, code, _ = ANSWERS[row]
    return problem(status, code, "" if code == WORDLESS else "it is so")


@contextmanager
def answering() -> Generator[Answering]:
    told, turn = Answering(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            place = urlsplit(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard = Heard(
                place.path.split("/")[1], dict(parse_qsl(place.query)),
                self.headers["Idempotency-Key"], body,
            )  # fmt: skip
            with turn:
                told.heard.append(heard)
            status, said = told.answer(heard)
            data = (said if isinstance(said, str) else json.dumps(said)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


def by_row(told: Answering, *, times: int = 2) -> Callable[[Heard], tuple[int, object]]:
    """The answer of `ANSWERS` that the address names, so many times; then it is taken."""

    def answer(heard: Heard) -> tuple[int, object]:
        if sum(one.start == heard.start for one in told.heard) > times:
            return 201, {"success": True}
        return row_answer(int(heard.start))

    return answer
