"""Of a wrong command line: what is noted, and what never is."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from node import slips, spool
from node.client import platform_home

SCRIPT = Path(__file__).parents[2] / "cli.py"
SECRET = "correct horse battery"
TIMEOUT_S = 15  # a line that is wrong ends within two seconds


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which a node has been."""
    (tmp_path / "home" / "identity").mkdir(parents=True)
    return tmp_path / "home"


def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *args],
        env={"PATH": "", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


@pytest.mark.parametrize(
    "args",
    [
        ("id", "export", "k", "--passphrase-file", SECRET),
        ("id", "export", "k", f"--passphrase-file={SECRET}"),
        ("id", "export", "k", "--passphrase", SECRET),
        ("id", "export", "k", "--passphrase-file", "x", *SECRET.split()),
        ("up", "--relay-token", SECRET),
        ("config", "set", "relay.token", *SECRET.split()),
        ("search", "--limit", SECRET, "--api-key", "x"),
        ("connect", f"https://alice:{SECRET}@example.org"),
        ("id", "export", "k", SECRET),
        ("id", "import", "k", SECRET),
        ("id", SECRET),
        ("id", "export", "k", "--pass", SECRET),
        ("id", "export", "k", f"-p{SECRET}"),
        ("id", "export", "k", f"-vp{SECRET}"),
        ("id", "export", "k", f"--passphrase{SECRET}"),
        ("search", "x", f"--apikey:{SECRET}"),
        ("rate", "io.x", f"--secret:{SECRET}"),
        ("connect", f"relay://example.org/?n=1&token={SECRET}"),
        ("connect", "example.org:1", f"TOKEN={SECRET}="),
        ("config", "set", f"relay.token={SECRET}"),
    ],
)
def test_secrets_are_never_noted(args: tuple[str, ...], home: Path) -> None:
    assert run("--home", str(home), *args).returncode == 2
    (one,) = spool.read(str(home))
    assert one.where.startswith(f"panspermia {args[0]}")
    kept = (home / spool.FILE).read_text()
    assert not [word for word in SECRET.split() if word in kept]


def test_no_variable_is_ever_noted(home: Path) -> None:
    environment = {"PANSPERMIA_API_TOKEN": SECRET, "PANSPERMIA_HOME": str(home)}
    assert run("statsu", **environment).returncode == 2
    assert run("up", "--listen", "nonsense", **environment).returncode == 1
    assert len(spool.read(str(home))) == 2
    assert SECRET not in (home / spool.FILE).read_text()


@pytest.mark.parametrize(
    "args",
    [
        ("--help",),
        ("search", "--help"),
        ("search", "--limit", "banana", "--help"),
        ("id", "--help"),
    ],
)
def test_help_is_no_slip(args: tuple[str, ...], home: Path) -> None:
    assert run("--home", str(home), *args).returncode == 0
    assert not (home / spool.FILE).exists()


@pytest.mark.parametrize("args", [(), ("config",)])
def test_help_that_click_shows_by_itself_is_no_slip(args: tuple[str, ...], home: Path) -> None:
    done = run(*args, PANSPERMIA_HOME=str(home))
    assert "Usage: panspermia" in done.stdout + done.stderr
    assert not (home / spool.FILE).exists()


@pytest.mark.parametrize("line", ["panspermia statsu --lim", "panspermia search --limit b --k"])
def test_completion_is_no_slip(line: str, home: Path) -> None:
    asked = {"_PANSPERMIA_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": "2"}
    run(**asked, PANSPERMIA_HOME=str(home))
    run("statsu", **asked, PANSPERMIA_HOME=str(home))
    assert not (home / spool.FILE).exists()


def test_the_sentence_and_the_code_do_not_depend_on_the_note(home: Path, tmp_path: Path) -> None:
    expected = run("search", "--lmit", "3", HOME=str(tmp_path))
    (home / spool.FILE).mkdir()  # cannot be written
    (home / "node.json").write_text('{"api": "http://127.0.0.1:1"}')
    done = run("search", "--lmit", "3", PANSPERMIA_HOME=str(home))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected.stderr)


def drip(server: socket.socket) -> None:
    """One byte of an answer at a time, for as long as anybody listens."""
    with suppress(OSError):
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while True:
                connection.sendall(b" ")
                time.sleep(0.1)


def test_a_node_that_never_ends_its_answer_is_not_waited_for(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=[server])
        dripping.start()
        (home / "node.json").write_text(json.dumps({"api": f"http://{address(server)}"}))
        assert run("--home", str(home), "statsu").returncode == 2
        dripping.join(15)
    assert len(spool.read(str(home))) == 1


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("name", ["node.json", "refused.jsonl.part"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(name: str, home: Path) -> None:
    os.mkfifo(home / name)
    assert run("--home", str(home), "statsu").returncode == 2
    assert len(spool.read(str(home))) == 1


@pytest.mark.parametrize(
    ("arguments", "home"),
    [
        (("--home", "/a", "x"), "/a"),
        (("x", "--lmit", "3", "--home=/a"), "/a"),
        (("--home", "/a", "x", "--home", "/b"), "/b"),
        (("x", "--lmit", "--home"), None),
        (("x",), "/c"),
    ],
)
def test_the_home_of_a_line_that_could_not_be_read(
    arguments: tuple[str, ...], home: str | None
) -> None:
    assert slips.home_of(None, arguments, {"PANSPERMIA_HOME": "/c"}) == home


def test_the_platforms_home() -> None:
    assert slips.home_of(None, ("x",), {}) == platform_home()


def test_an_argument_that_is_no_text_is_noted(home: Path) -> None:
    (home / "node.json").write_text('{"api": "http://127.0.0.1:1"}')
    (home / "token").write_text("t")
    assert run("--home", str(home), "search", "\udcff").returncode == 2
    (one,) = spool.read(str(home))
    assert one.where == "panspermia search"
    assert "must be UTF-8" in one.detail
