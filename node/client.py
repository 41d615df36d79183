"""A client of the running node, for the command line.

The address and the token are read from the home (`node.json` and `token`, both 0600). Answers are
plain JSON: a command prints what the node said, or a few fields of it. A problem object becomes a
`Failure` with its exit code. `get_quick` needs no more than a socket, for `panspermia status`:
what reads other answers would take half of its time (`node.exchange`).
"""

from __future__ import annotations

import json
import os.path
import socket
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, cast

from node.exchange import PIECE_BYTES, answer_to, of_length, pieces_of, send_request
from node.exchange import broken as broken
from node.exit_codes import FAILED, NETWORK, NOT_ALLOWED, NOT_RUNNING, USAGE
from node.failure import Failure, Json, failed, failure

if TYPE_CHECKING:
    from http.client import HTTPResponse

# A busy node answers within this; what waits for the network says how long itself.
TIMEOUT_S = 30.0

# Above what any answer holds (a page of 1,000 modules); a stream has no such end.
ANSWER_BYTES_MAX = 256 << 20

# node.json and the token have a few hundred bytes.
FILE_BYTES_MAX = 1 << 20

# An event, or one line of progress, is far smaller; a longer line is no answer of a node.
LINE_BYTES_MAX = 16 << 20

# With its query; a node hears no head of a request above 64 KiB, and says so in no JSON.
PATH_CHARACTERS_MAX = 32 << 10

STATUS = "/api/status"


Query = Mapping[str, "str | int | tuple[str, ...] | None"]


class Client:
    """Speaks to the node at `host:port`; every call is one connection.

    No dataclass, and paths are text: either import would cost `status` a tenth of its time.
    """

    __slots__ = ("home", "host", "port", "token")

    def __init__(self, host: str, port: int, token: str, home: str) -> None:
        self.host = host
        self.port = port
        self.token = token
        self.home = home

    @property
    def url(self) -> str:
        return f"http://{self.authority}"

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def get(self, path: str, query: Query | None = None) -> Json:
        """The JSON object at `path`. Raises `Failure`."""
        return self._json("GET", with_query(path, query), None, TIMEOUT_S)

    def post(self, path: str, body: Json | None = None, *, timeout_s: float = TIMEOUT_S) -> Json:
        return self._json("POST", path, body or {}, timeout_s)

    def put(self, path: str, body: Json | None = None) -> Json:
        return self._json("PUT", path, body or {}, TIMEOUT_S)

    def delete(self, path: str) -> Json:
        return self._json("DELETE", path, None, TIMEOUT_S)

    def get_bytes(self, path: str, *, timeout_s: float = TIMEOUT_S) -> bytes:
        with self._exchange("GET", path, None, timeout_s, "*/*") as answer:
            return answer.read(ANSWER_BYTES_MAX)

    def save(
        self,
        path: str,
        body: Json,
        write: Callable[[bytes], object],
        progress: Callable[[int, int], None],
        timeout_s: float,
    ) -> int:
        """Hands any answer to `write`, piece by piece; gives how many bytes. Raises `Failure`."""
        done = 0
        with self._exchange("POST", path, body, timeout_s, "application/octet-stream, */*") as got:
            total = int(got.headers.get("panspermia-bytes", "0"))
            while piece := got.read(PIECE_BYTES):
                write(piece)
                done += len(piece)
                progress(done, max(done, total))
        return done

    def download(
        self,
        path: str,
        file: IO[bytes],
        progress: Callable[[int, int], None],
        timeout_s: float,
        start: int = 0,
    ) -> int:
        """Writes an answer of a known length to `file`; gives how many bytes. Raises `Failure`.

        `start`: so many of them are in `file` already.
        """
        more = {"Range": f"bytes={start}-"} if start else None
        with self._exchange("GET", path, None, timeout_s, "*/*", more) as got:
            done = start if got.status == 206 else 0
            total = done + int(got.headers.get("content-length", "0"))
            while piece := got.read(PIECE_BYTES):
                file.write(piece[max(0, start - done) :])
                done += len(piece)
                progress(done, total)
        if done < total:
            raise broken(f"{done:,} of {total:,} bytes came.")
        return done

    def upload(
        self,
        path: str,
        query: Query,
        file: IO[bytes],
        size: int | None,
        progress: Callable[[int, int], None],
        timeout_s: float,
        media: str | None = None,
    ) -> Json:
        """Sends a file of `size` bytes, or of a length that nobody knows, as it is.

        `media`: its Content-Type. Raises `Failure`; `OSError` where the file cannot be read.
        """
        accept = "application/json, application/problem+json"
        body = pieces_of(file, size, progress)
        more = {**of_length(size), **({} if media is None else {"Content-Type": media})}
        with self._exchange(
            "POST", with_query(path, query), None, timeout_s, accept, more, body
        ) as answer:
            return answer_of(answer.status, answer.read(ANSWER_BYTES_MAX))

    def post_lines(self, path: str, body: Json, *, timeout_s: float) -> Iterator[Json]:
        """The NDJSON lines of a long task; an `error` line raises its problem as `Failure`."""
        with self._exchange("POST", path, body, timeout_s, "application/x-ndjson") as answer:
            while line := line_in(answer):
                event: dict[str, Any] = json.loads(line)
                if event.get("event") == "error":
                    raise Failure(event.get("problem") or without(event, "event"))
                yield event

    def events(
        self, query: Query | None = None, *, after: str | None = None, timeout_s: float
    ) -> Iterator[Json]:
        """Server-sent events as `{"id","event","data"}`; silence past `timeout_s` is a failure.

        `after` is the id of the last one that is known; None: only what is new.
        """
        path = with_query("/api/events", query)
        more = {} if after is None else {"Last-Event-ID": after}
        with self._exchange("GET", path, None, timeout_s, "text/event-stream", more) as answer:
            fields: dict[str, str] = {}
            while line := line_in(answer):
                name, colon, value = line.decode().rstrip("\r\n").partition(":")
                if name and colon:
                    value = value.removeprefix(" ")
                    fields[name] = f"{fields[name]}\n{value}" if name in fields else value
                elif not name and not colon and "data" in fields:
                    yield {
                        "id": fields.get("id", ""),
                        "event": fields.get("event", "message"),
                        "data": json.loads(fields["data"]),
                    }
                    fields = {}

    def get_quick(self, path: str) -> Json:
        """GET over a bare socket: no proxy, no redirect, a body of a declared length."""
        head = f"GET {path} HTTP/1.1\r\nHost: {self.authority}\r\nConnection: close\r\n"
        head += f"Accept: application/json\r\nAuthorization: Bearer {self.token}\r\n\r\n"
        with self._unreachable_as_failure(), self._connect() as connection:
            connection.sendall(head.encode())
            received = read_all(connection)
        start, _, body = received.partition(b"\r\n\r\n")
        lines = start.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1]) if lines[0].startswith("HTTP/1.1 ") else 0
        if any(line.lower().startswith("transfer-encoding:") for line in lines) or not status:
            return self.get(path)
        return answer_of(status, body)

    def _connect(self, timeout_s: float = TIMEOUT_S) -> socket.socket:
        """Not by `create_connection`, which loads the tables of names in every script."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        connection = socket.socket(family)
        connection.settimeout(timeout_s)
        try:
            connection.connect((self.host, self.port))
        except OSError:
            connection.close()
            raise
        return connection

    def _json(self, method: str, path: str, body: Json | None, timeout_s: float) -> Json:
        accept = "application/json, application/problem+json"
        with self._exchange(method, path, body, timeout_s, accept) as answer:
            return answer_of(answer.status, answer.read(ANSWER_BYTES_MAX))

    @contextmanager
    def _exchange(
        self,
        method: str,
        path: str,
        body: Json | None,
        timeout_s: float,
        accept: str,
        more: Mapping[str, str] | None = None,
        pieces: Iterator[bytes] | None = None,
    ) -> Generator[HTTPResponse]:
        """One request; an error status raises its problem, a dead node says how to start it."""
        if len(path) > PATH_CHARACTERS_MAX:
            raise too_long(path)
        headers = {"Host": self.authority, "Accept": accept, "Accept-Encoding": "identity"}
        headers |= {"Authorization": f"Bearer {self.token}", "Connection": "close", **(more or {})}
        if body is not None:
            content = json.dumps(body).encode()
            pieces = iter([content])
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        with self._unreachable_as_failure():
            connection = self._connect(timeout_s)
        with closing(connection), self._broken_as_failure(timeout_s):
            # A node that refuses a long body answers before it has all of it.
            with suppress(BrokenPipeError, ConnectionResetError):
                send_request(connection, f"{method} {path} HTTP/1.1", headers, pieces)
            with answer_to(connection, method) as answer:
                if answer.status >= 400:
                    self._refused(answer.status, answer.read(ANSWER_BYTES_MAX), path)
                yield answer

    def _refused(self, status: int, body: bytes, path: str) -> None:
        """Raises the problem; where the node did not understand, with what to do about that."""
        from node.mismatch import is_strange, words

        try:
            answer_of(status, body)
        except Failure as refused:
            if path == STATUS or not is_strange(refused.problem):
                raise
            theirs = ""
            with suppress(Failure):
                theirs = str(self.get(STATUS).get("version", ""))
            told = words(theirs, home_flag(self.home), str(refused.problem["code"]))
            detail = f"{refused.problem['detail']}\n{told}"
            raise Failure({**refused.problem, "detail": detail}, refused.exit) from refused

    @contextmanager
    def _unreachable_as_failure(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise not_running(self.home) from error

    @contextmanager
    def _broken_as_failure(self, timeout_s: float) -> Generator[None]:
        try:
            yield
        except TimeoutError as error:
            detail = f"The node said nothing for {timeout_s:.0f} s. See: panspermia status"
            raise failure("timeout", "The node did not answer", detail, NETWORK) from error
        except (BrokenPipeError, ConnectionError) as error:
            raise broken(str(error)) from error


def find_client(home: str) -> Client:
    """The client of the node that runs in `home`. Raises `Failure` where none does."""
    try:
        announced: Any = json.loads(read_file(home, "node.json"))
        host, _, port = str(announced["api"]).removeprefix("http://").rstrip("/").rpartition(":")
        if not host:
            raise ValueError("no host")
        return Client(host.strip("[]"), int(port), read_token(home), home)
    except PermissionError as error:
        detail = f"{error.filename} belongs to somebody else; run this as the node's user."
        raise failure("forbidden", "The home is not yours", detail, NOT_ALLOWED) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise not_running(home) from error


def read_token(home: str) -> str:
    """The node's own token; without one reads still work, and a write says what is missing."""
    try:
        return read_file(home, "token").decode().strip()
    except FileNotFoundError:
        return ""


def read_file(home: str, name: str) -> bytes:
    with open(os.path.join(home, name), "rb") as file:
        return file.read(FILE_BYTES_MAX)


def resolve_home(flag: str | None, environment: Mapping[str, str]) -> str:
    """--home, else PANSPERMIA_HOME, else the platform's folder for data."""
    chosen = flag or environment.get("PANSPERMIA_HOME")
    return os.path.abspath(os.path.expanduser(chosen)) if chosen else platform_home()


def platform_home() -> str:
    from platformdirs import user_data_dir

    return user_data_dir("panspermia", appauthor=False)


def home_flag(home: str) -> str:
    """What a command needs to mean this home, with a blank after it; often nothing."""
    import shlex

    return "" if home == platform_home() else f"--home {shlex.quote(home)} "


def not_running(home: str) -> Failure:
    detail = f"Start it with: panspermia {home_flag(home)}up"
    return failure("node-not-running", "The node is not running", detail, NOT_RUNNING)


def too_long(path: str) -> Failure:
    detail = (
        f"It would be an address of {len(path):,} characters, of at most {PATH_CHARACTERS_MAX:,}:"
        " one of the words of this command is too long."
    )
    return failure("bad-query", "This is too long to be asked", detail, USAGE, status=400)


def answer_of(status: int, body: bytes) -> Json:
    """The JSON object of an answer. Raises `Failure` for an error status or no JSON object."""
    try:
        value: object = json.loads(body) if body else {}
    except ValueError:
        value = None
    if not isinstance(value, dict):
        detail = f"Status {status}, and {len(body):,} bytes that are no JSON object."
        raise failure("no-json", "Something else than a node answered", detail, FAILED)
    answer = cast("dict[str, Any]", value)
    if status >= 400:
        raise Failure({"title": f"The node answered {status}", "status": status, **answer})
    return answer


def line_in(answer: HTTPResponse) -> bytes:
    """The next line with its end; b"" after the last. Raises `Failure` for what has no end."""
    line = answer.readline(LINE_BYTES_MAX)
    if line and not line.endswith(b"\n"):
        is_long = len(line) == LINE_BYTES_MAX
        most = f"A line of it has more than {LINE_BYTES_MAX:,} bytes."
        raise broken(most if is_long else f"It ends after {len(line):,} bytes of a line.")
    return line


def read_all(connection: socket.socket) -> bytes:
    pieces: list[bytes] = []
    while piece := connection.recv(1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def without(fields: Json, name: str) -> Json:
    return {key: value for key, value in fields.items() if key != name}


def with_query(path: str, query: Query | None) -> str:
    """The path with its query; None is left out, a tuple repeats."""
    from urllib.parse import urlencode

    given = {name: value for name, value in (query or {}).items() if value not in (None, ())}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def module_path(module: str, *more: str, namespace: str | None = None) -> str:
    """`/api/modules/did%2Fid/…`: the slash of a qualified name is part of one segment."""
    return with_query(path_of("/api/modules", module, *more), {"namespace": namespace})


def path_of(start: str, *parts: str) -> str:
    """`start/part/…`, each part one segment whatever it holds.

    Raises `Failure` for what is none: it would be taken for another address.
    """
    from urllib.parse import quote

    for part in parts:
        if part in ("", ".", ".."):
            detail = f"{part!r} names nothing: give a name, or an id as lists show it"
            raise failed("invalid-name", "Invalid name", detail)
    return "/".join([start, *(quote(part, safe="") for part in parts)])
