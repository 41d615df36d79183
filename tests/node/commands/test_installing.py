"""`install --yes` against a node that answers as it is told to, on a terminal that fails."""

import io
import json
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from node.commands.installing import carry_out
from node.failure import Failure

MODULE = {"id": "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK/io.x", "version": "1.0.0"}
MOVED = {"add": [MODULE], "upgrade": [], "downgrade": [], "keep": [], "remove": []}
PLAN: Mapping[str, object] = {"event": "plan", "plan": MOVED, "packages": [], "warnings": []}
STEP = {"event": "progress", "stage": "fetch", "id": MODULE["id"], "done": 0, "total": 1}
WAITING = {**STEP, "stage": "resolve", "id": "", "waits": "another installation"}
LOCK: Mapping[str, object] = {"version": 1, "requirements": {}, "packages": []}
RESULT = {"event": "result", "installed": [MODULE], "removed": [], "lock": LOCK, "warnings": []}
REFUSED = {"title": "Not now", "status": 500, "code": "internal-error", "detail": "Not now."}


class Told:
    """Each path answers with these lines, or with a problem; what was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.lines: list[Mapping[str, object]] = [PLAN, STEP, RESULT]
        self.knows_names = True


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    told = Told()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.path.partition("?")[0])
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith("/api/names"):
                body: list[Mapping[str, object]] = [{"names": []} if told.knows_names else REFUSED]
            else:
                body = told.lines
            self.send_response(500 if REFUSED in body else 200)
            self.end_headers()
            self.wfile.write("".join(f"{json.dumps(line)}\n" for line in body).encode())

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        running = Thread(target=server.serve_forever, args=(0.01,))
        running.start()
        announced = {"api": f"http://127.0.0.1:{server.server_port}"}
        (tmp_path / "node.json").write_text(json.dumps(announced))
        monkeypatch.setenv("PANSPERMIA_HOME", str(tmp_path))
        yield told
        server.shutdown()
        running.join()


class Failing(io.StringIO):
    """A terminal that ends what writes to it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


def install(lock_path: Path) -> None:
    carry_out(["io.x"], None, lock_path, frozen=False, dry_run=False, yes=True)


def test_a_plan_is_shown_and_the_lock_file_written(
    told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told.lines.insert(0, WAITING)
    install(tmp_path / "panspermia.lock")
    assert (tmp_path / "panspermia.lock").exists()
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines()] == ["+", "installed"]
    assert shown.err == "waits for another installation\n"


@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "nobody reads"), OSError(5, "gone"), KeyboardInterrupt()]
)
def test_a_plan_that_cannot_be_shown_is_carried_out_to_the_lock_file(
    error: BaseException, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Failing(error))
    with pytest.raises(type(error)):
        install(tmp_path / "panspermia.lock")
    assert (tmp_path / "panspermia.lock").exists()


def test_without_names_nothing_begins(told: Told, tmp_path: Path) -> None:
    told.knows_names = False
    with pytest.raises(Failure):
        install(tmp_path / "panspermia.lock")
    assert told.asked == ["/api/names"]
    assert not (tmp_path / "panspermia.lock").exists()
