"""The command line's client against a server that answers as it is told to."""

import json
import os
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Protocol

import pytest

from node._version import __version__
from node.client import Client, find_client, module_path, resolve_home, with_query
from node.failure import Failure


class Serve(Protocol):
    """A client of a server that answers so, but for the paths with an answer of their own; by
    what it is given where no answer is said.
    """

    def __call__(
        self,
        status: int,
        body: bytes,
        kind: str = ...,
        others: Mapping[str, tuple[int, bytes]] = ...,
    ) -> Client: ...


NOT_FOUND = {"type": "/problems/unknown-module", "title": "Not Found", "status": 404}


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    servers: list[HTTPServer] = []

    def start(
        status: int,
        body: bytes,
        kind: str = "application/json",
        others: Mapping[str, tuple[int, bytes]] = MappingProxyType({}),
    ) -> Client:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                given = self.given()
                answer, content = others.get(self.path, (status, body or given))
                self.send_response(answer)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PUT = do_DELETE = do_GET

            def given(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                pieces: list[bytes] = []
                while size := int(self.rfile.readline(), 16):
                    pieces.append(self.rfile.read(size))
                    assert self.rfile.readline() == b"\r\n"
                assert self.rfile.readline() == b"\r\n"
                return b"".join(pieces)

            def log_message(self, format: str, *args: object) -> None: ...

        server = HTTPServer(("127.0.0.1", 0), Answer)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        announce(tmp_path, server.server_port)
        return find_client(str(tmp_path))

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def announce(home: Path, port: int) -> None:
    announced = {"api": f"http://127.0.0.1:{port}", "p2p": "", "pid": 1, "did": ""}
    (home / "node.json").write_text(json.dumps(announced))
    (home / "token").write_text("secret\n")


@pytest.mark.parametrize(
    "ask", [Client.get, Client.get_quick, Client.post, Client.put, Client.delete]
)
def test_an_answer_is_its_object(ask: Callable[[Client, str], object], serve: Serve) -> None:
    assert ask(serve(200, b'{"a": 1}', ""), "/x") == {"a": 1}


@pytest.mark.parametrize(
    "ask", [Client.get, Client.get_quick, Client.post, Client.put, Client.delete]
)
def test_a_problem_is_a_failure(ask: Callable[[Client, str], object], serve: Serve) -> None:
    client = serve(404, json.dumps({**NOT_FOUND, "code": "unknown-module"}).encode(), "")
    with pytest.raises(Failure) as failed:
        ask(client, "/x")
    assert (failed.value.exit, failed.value.problem["code"]) == (5, "unknown-module")


@pytest.mark.parametrize(
    ("status", "code", "exit"),
    [
        (401, "unauthorized", 4), (403, "not-allowed", 4), (409, "conflict", 6),
        (422, "invalid-manifest", 1), (422, "verification-failed", 7), (500, "internal-error", 1),
        (503, "starting", 3), (504, "unreachable", 8),
    ],
)  # fmt: skip
def test_exit_codes(status: int, code: str, exit: int, serve: Serve) -> None:
    client = serve(status, json.dumps({"code": code}).encode(), "")
    with pytest.raises(Failure) as failed:
        client.get("/x")
    assert failed.value.exit == exit


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"7", b"\xff"])
@pytest.mark.parametrize("ask", [Client.get, Client.get_quick])
def test_something_else_that_answers(
    ask: Callable[[Client, str], object], body: bytes, serve: Serve
) -> None:
    with pytest.raises(Failure) as failed:
        ask(serve(200, body, "text/html"), "/x")
    assert failed.value.problem["code"] == "no-json"


@pytest.mark.parametrize("length", [0, 30, 1 << 20])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_file_arrives_as_it_is(length: int, is_known: bool, serve: Serve) -> None:
    content = b'{"as":"%b"}' % (b"it is " * length)
    size = len(content) if is_known else None
    seen: list[int] = []
    answer = serve(200, b"").upload(
        "/x", {}, BytesIO(content), size, lambda done, _: seen.append(done), timeout_s=30
    )
    assert answer == json.loads(content)
    assert seen[-1] == len(content)


@pytest.mark.parametrize("path", ["/a b", "/ä", "/a HTTP/1.1\r\nX: y", "/a\nX: y", "/\x7f"])
def test_what_is_no_line_is_never_sent(path: str, serve: Serve) -> None:
    with pytest.raises(Failure) as failed:
        serve(200, b"{}").get(path)
    assert failed.value.problem["code"] == "connection-lost"
    assert "cannot be asked" in failed.value.problem["detail"]


def test_what_is_too_long_for_a_head_is_never_sent(serve: Serve) -> None:
    client = serve(200, b"{}")
    assert client.get("/api/search", {"q": "a" * 8_000}) == {}
    for path in (
        f"/api/modules/{'a' * 100_000}",
        with_query("/api/list", {"author": "a" * 70_000}),
    ):
        with pytest.raises(Failure) as failed:
            client.get(path)
        assert (failed.value.exit, failed.value.problem["code"]) == (2, "bad-query")
        assert f"of {len(path):,} characters" in failed.value.problem["detail"]


def test_a_token_that_is_none_is_not_shown(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        announce(tmp_path, server.getsockname()[1])
        (tmp_path / "token").write_text("sécret\nof two lines")
        with pytest.raises(Failure) as failed:
            find_client(str(tmp_path)).get("/x")
    assert "cret" not in str(failed.value.problem)


def test_an_answer_that_is_none(tmp_path: Path) -> None:
    """Of a program that speaks first, and something else."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        announce(tmp_path, server.getsockname()[1])

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 ready\r\n")
                connection.recv(1 << 16)

        Thread(target=greet, daemon=True).start()
        with pytest.raises(Failure) as failed:
            find_client(str(tmp_path)).get("/x")
    assert failed.value.problem["code"] == "connection-lost"


def test_lines_of_a_long_task(serve: Serve) -> None:
    lines = b'{"event":"progress","done":1}\n{"event":"result"}\n'
    client = serve(200, lines, "application/x-ndjson")
    assert [line["event"] for line in client.post_lines("/x", {}, timeout_s=5)] == [
        "progress",
        "result",
    ]


def test_a_line_that_tells_of_an_error(serve: Serve) -> None:
    line = json.dumps({"event": "error", **NOT_FOUND, "code": "unknown-module"}).encode()
    client = serve(200, line + b"\n", "application/x-ndjson")
    with pytest.raises(Failure) as failed:
        list(client.post_lines("/x", {}, timeout_s=5))
    assert failed.value.exit == 5


@pytest.mark.parametrize(
    ("length", "said"), [(7, "ends after 8 bytes of a line"), (16 << 20, "more than 16,777,216")]
)
def test_a_line_that_has_no_end_is_no_bug(length: int, said: str, serve: Serve) -> None:
    client = serve(200, b'"%b' % (b"a" * length), "application/x-ndjson")
    with pytest.raises(Failure) as failed:
        list(client.post_lines("/x", {}, timeout_s=30))
    assert failed.value.problem["code"] == "connection-lost"
    assert said in failed.value.problem["detail"]


def test_events(serve: Serve) -> None:
    stream = b": ping\n\nid: 1\nevent: ready\ndata: {}\n\nid: 2\nevent: peer\ndata: {\ndata: }\n\n"
    client = serve(200, stream, "text/event-stream")
    assert list(client.events(timeout_s=5)) == [
        {"id": "1", "event": "ready", "data": {}},
        {"id": "2", "event": "peer", "data": {}},
    ]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"api": 7}', '{"api": "http://x"}'])
def test_a_damaged_node_file_is_no_node(content: str, tmp_path: Path) -> None:
    (tmp_path / "node.json").write_text(content)
    with pytest.raises(Failure) as failed:
        find_client(str(tmp_path))
    assert failed.value.problem["code"] == "node-not-running"


def test_a_node_that_was_killed_is_not_running(tmp_path: Path) -> None:
    announce(tmp_path, 1)
    for ask in (Client.get, Client.get_quick):
        with pytest.raises(Failure) as failed:
            ask(find_client(str(tmp_path)), "/x")
        assert failed.value.exit == 3
        assert f"--home {tmp_path}" in failed.value.problem["detail"]


def test_the_hint_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    home = str(tmp_path / "my home; its $(name)")
    with pytest.raises(Failure) as failed:
        find_client(home)
    (line,) = str(failed.value.problem["detail"]).splitlines()
    assert shlex.split(line.partition(": ")[2]) == ["panspermia", "--home", home, "up"]


def test_homes(tmp_path: Path) -> None:
    environment = {"PANSPERMIA_HOME": str(tmp_path)}
    assert resolve_home(None, environment) == str(tmp_path)
    assert resolve_home("here", environment) == os.path.join(os.getcwd(), "here")
    assert resolve_home(None, {}).endswith("panspermia")


def test_paths_and_queries() -> None:
    assert module_path("did:key:z6Mk/io.x", "versions", "1.0.0+b") == (
        "/api/modules/did%3Akey%3Az6Mk%2Fio.x/versions/1.0.0%2Bb"
    )
    assert module_path("../etc") == "/api/modules/..%2Fetc"
    query = {"q": "a b&c", "tag": ("x", "y"), "none": None, "empty": ()}
    assert with_query("/s", query) == "/s?q=a+b%26c&tag=x&tag=y"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_is_none_is_no_address(name: str) -> None:
    with pytest.raises(Failure) as failed:
        module_path(name)
    assert failed.value.problem["code"] == "invalid-name"
    assert f"{name!r} names nothing" in failed.value.problem["detail"]


def test_a_path_that_the_node_does_not_know_may_be_a_name_that_is_none(serve: Serve) -> None:
    nowhere = {"code": "not-found", "status": 404, "detail": "Not Found", "title": "Not found"}
    client = serve(404, json.dumps(nowhere).encode(), "", {"/api/status": (200, b"{}")})
    with pytest.raises(Failure) as failed:
        client.get("/api/registry/genomes/a%2Fb%2Fc")
    assert "WHOSE/NAME has one slash), or the node does not" in failed.value.problem["detail"]


UNKNOWN_FIELD = {
    "type": "/problems/invalid-body", "title": "Invalid body", "status": 422,
    "code": "invalid-body", "detail": "Object contains unknown field `called`",
}  # fmt: skip


@pytest.mark.parametrize("version", ["0.0.9", None])
def test_a_node_from_before_an_update_is_told_from_a_mistake(
    version: str | None, serve: Serve, tmp_path: Path
) -> None:
    status = json.dumps({"version": version} if version else {}).encode()
    client = serve(422, json.dumps(UNKNOWN_FIELD).encode(), "", {"/api/status": (200, status)})
    with pytest.raises(Failure) as failed:
        client.post("/api/invites", {"called": "alice"})
    said = failed.value.problem["detail"]
    assert "unknown field `called`" in said
    assert f"panspermia --home {tmp_path} down, then panspermia --home {tmp_path} up" in said
    if version:
        assert f"The node is of version 0.0.9, this command of version {__version__}" in said
    assert failed.value.problem["code"] == "invalid-body"


def test_what_was_understood_and_refused_says_nothing_of_versions(serve: Serve) -> None:
    wrong = {**UNKNOWN_FIELD, "detail": "/expires_s: Expected `int` <= 604800"}
    with pytest.raises(Failure) as failed:
        serve(422, json.dumps(wrong).encode(), "").post("/api/invites", {"expires_s": 1 << 40})
    assert failed.value.problem["detail"] == wrong["detail"]
