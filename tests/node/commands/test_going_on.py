"""A node that is gone in the middle of a long answer: the command says what doing it again does."""

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from cli import main

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
LINE = b'{"event":"progress","text":"Looking.","stage":"blob","id":"x","done":1,"total":9}\n'
CUT = HEAD + f"{len(LINE):x}\r\n".encode() + LINE + b"\r\n"
SILENT_END = CUT + b"0\r\n\r\n"
BROKEN = HEAD + b"9\r\n{"
NOT_FOUND = b'{"type":"x","title":"x","status":404,"code":"unknown-genome","detail":"None such."}'
NO_GENOME = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(NOT_FOUND), NOT_FOUND)
)
BLOB, CODE = "ab" * 32, "7K3M-Q2XD-9FHT-B4WZ"


@contextmanager
def breaking(home: Path, answer: bytes) -> Generator[None]:
    """A server that has no genomes, and closes every connection after these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        announced = {"api": f"http://127.0.0.1:{server.getsockname()[1]}", "p2p": "", "pid": 1}
        (home / "node.json").write_text(json.dumps(announced))
        (home / "token").write_text("secret\n")

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heard = b""
                    while b"\r\n\r\n" not in heard and (more := connection.recv(1 << 16)):
                        heard += more
                    is_other = heard.startswith(b"GET /api/registry/")  # 64 digits may name that
                    connection.sendall(NO_GENOME if is_other else answer)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(1 << 16):
                        pass

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.parametrize(
    ("command", "answer", "again"),
    [
        (("fetch", BLOB, "-o", "FILE"), CUT, "the same command again goes on where this one"),
        (("fetch", BLOB, "-o", "FILE"), SILENT_END, "the same command again goes on where this"),
        (("accept", CODE, "--yes"), BROKEN, "same code again goes on where this stopped"),
        (("publish", "FOLDER"), BROKEN, "The same command goes on where this one stopped"),
        (("blob", "add", "SOURCE"), BROKEN, "until then nothing of it is kept, so add it again"),
    ],
)
def test_it_says_what_doing_it_again_does(
    command: tuple[str, ...],
    answer: bytes,
    again: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "source").write_bytes(b"hello")
    (tmp_path / "patterns").mkdir()
    (tmp_path / "patterns" / "a.rle").write_bytes(b"x = 1, y = 1\no!\n")
    places = {"FILE": "file", "SOURCE": "source", "FOLDER": "patterns"}
    places = {word: str(tmp_path / name) for word, name in places.items()}
    with breaking(tmp_path, answer):
        words = ["--json", "--home", str(tmp_path), *(places.get(one, one) for one in command)]
        monkeypatch.setattr("sys.argv", ["panspermia", *words])
        with pytest.raises(SystemExit):
            main()
    problem = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert problem["code"] == "connection-lost", problem
    assert again in problem["detail"]
    assert not (tmp_path / "file").exists()
