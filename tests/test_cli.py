"""What the command line promises before any node is asked: start, help, colours, codes, JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli import COMMANDS, cli, wanted_color
from node.home import Home
from node.identity import load_or_create

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "cli.py"
LOADED_RATIO_MAX = 1.5  # it is 1.3; asyncio alone would make it 1.9
SLOW = {
    "aiosqlite", "asyncio", "automerge", "cryptography", "http.client", "importlib.metadata",
    "jwt", "msgspec", "nacl", "node.slips", "node.spool", "rich", "sqlite3", "ssl", "starlette",
    "tantivy", "uvicorn", "wasmtime", "zeroconf",
}  # fmt: skip


def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ours = {name: v for name, v in os.environ.items() if not name.startswith("PANSPERMIA_")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *args],
        env={**ours, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def in_shell(line: str, *args: str) -> subprocess.CompletedProcess[str]:
    """The command with `line` as a shell's redirection."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {line}', "sh", sys.executable, str(SCRIPT), *args],
        env={name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("args", [("version",), ("--json", "version"), ("--json", "nosuch")])
def test_output_that_nothing_takes_is_said_in_a_sentence(args: tuple[str, ...]) -> None:
    done = in_shell(">/dev/full", *args)
    assert done.returncode == (2 if "nosuch" in args else 1)
    assert "Error" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("args", [("version",), ("--json", "version")])
def test_without_a_stdout_a_command_does_what_it_does(args: tuple[str, ...]) -> None:
    done = in_shell(">&-", *args)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def home(tmp_path: Path) -> str:
    """A home in which no node runs."""
    return str(tmp_path / "home")


def loaded_after(*args: str) -> set[str]:
    """The modules in memory at the end of a run; a click program ends with SystemExit."""
    code = (
        "import atexit, sys, cli\n"
        f"sys.argv[1:] = {list(args)!r}\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("args", [("--help",), ("--version",)])
def test_help_loads_no_command_and_nothing_slow(args: tuple[str, ...]) -> None:
    loaded = loaded_after(*args)
    assert "click" in loaded
    assert not loaded & SLOW
    assert not [name for name in loaded if name.startswith("node.commands")]


def test_status_loads_nothing_slow(home: str) -> None:
    loaded = loaded_after("--home", home, "status")
    assert "node.commands.status" in loaded
    assert not loaded & SLOW


def test_an_installation_loads_nothing_slow_before_the_node_works(home: str) -> None:
    loaded = loaded_after("--home", home, "install", "io.x", "--yes")
    assert "node.commands.installing" in loaded
    assert not loaded & (SLOW | {"blake3"})


@pytest.mark.parametrize("name", COMMANDS)
def test_short_help_is_the_commands_own(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command
    assert command.get_short_help_str(limit=100) == COMMANDS[name][1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_shared_flags(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0
    assert all(flag in done.stdout for flag in ("--home", "--json", "--color", "--verbose"))


@pytest.mark.parametrize("args", [("--json", "status"), ("status", "--json")])
def test_a_shared_flag_may_stand_before_or_after_the_command(args: tuple[str, ...]) -> None:
    done = run("--home", "/nonexistent", *args)
    assert (done.returncode, done.stderr) == (3, "")
    assert json.loads(done.stdout)["code"] == "node-not-running"


def test_without_a_node_the_command_that_helps_is_named(home: str) -> None:
    done = run("--home", home, "status")
    assert (done.returncode, done.stdout) == (3, "")
    assert f"panspermia --home {home} up" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("status",), ("down",), ("peers",), ("sync",), ("refused",), ("search", "x"),
        ("info", "io.x"), ("install", "io.x", "--yes"), ("uninstall", "io.x"), ("list",),
        ("outdated",), ("update",), ("yank", "io.x@1.0.0"), ("deprecate", "io.x@1.0.0"),
        ("rate", "io.x", "5"), ("verify", "io.x"), ("fetch", "io.x", "-o", "x.wasm"),
        ("run", "io.x", "main"), ("connect", "127.0.0.1:1"), ("reindex",), ("gc",), ("events",),
        ("scrub",), ("open",), ("name",), ("name", "list"), ("name", "set", "bob", "did:key:z"),
        ("name", "remove", "bob"), ("install", "bob/io.x"), ("update", "bob/io.x"),
    ],
)  # fmt: skip
def test_each_command_that_needs_a_node_says_so(
    args: tuple[str, ...], home: str, tmp_path: Path
) -> None:
    lock = tmp_path / "panspermia.lock"
    more = ("--lock", str(lock)) if args[0] in ("install", "uninstall", "update") else ()
    done = run("--home", home, "--json", *args, *more)
    assert (done.returncode, done.stderr) == (3, "")
    problem = json.loads(done.stdout)
    assert problem["code"] == "node-not-running"
    assert problem["detail"].endswith("up")
    assert not lock.exists()


def test_a_file_that_is_there_is_replaced_only_by_force(home: str, tmp_path: Path) -> None:
    file = tmp_path / "keep.txt"
    file.write_text("mine")
    line = ("--home", home, "--json", "cap", "proof", "0" * 64, "-o", str(file))
    kept = run(*line)
    problem = json.loads(kept.stdout)
    assert (kept.returncode, problem["code"]) == (1, "file-exists")
    assert str(file) in problem["detail"]
    forced = run(*line, "--force")
    assert json.loads(forced.stdout)["code"] == "node-not-running", "it goes on to ask for it"
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("statsu",), "Did you mean 'status'"),
        (("search", "--lmit", "3"), "Did you mean '--limit'"),
        (("search", "a" * 100_000), "at most 512 characters, and this has 100,000"),
        (("search", "ü" * 513), "at most 512 characters, and this has 513"),
        (("connect", "nowhere"), "HOST:PORT"),
        (("connect", "host:99999"), "HOST:PORT"),
        (("yank", "io.x"), "NAME@VERSION"),
        (("rate", "io.x", "6"), "6 is not in the range"),
        (("rate", "io.x"), "Missing argument 'STARS'"),
        (("rate", "io.x", "5", "--clear"), "--clear to take them back"),
        (("run", "io.x", "main", "seven"), "no number"),
        (("publish", "/nonexistent"), "does not exist"),
        (("up", "--port", "70000"), "70000 is not in the range"),
        (("search", "--kind", "dog"), "'dog' is not one of"),
        (("name", "set", "bob"), "Missing argument 'DID'"),
    ],
)
def test_wrong_usage(args: tuple[str, ...], said: str) -> None:
    text = run(*args)
    assert (text.returncode, text.stdout) == (2, "")
    assert said in text.stderr
    made = run("--json", *args)
    assert (made.returncode, made.stderr) == (2, "")
    problem = json.loads(made.stdout)
    assert problem["code"] == "usage"
    assert said in problem["detail"]


def test_version_as_json() -> None:
    done = json.loads(run("version", "--json").stdout)
    assert done["schema"] == "panspermia.version/1"
    assert run("--version").stdout == f"panspermia {done['version']}\n"


@pytest.mark.parametrize(
    ("choice", "environment", "wanted"),
    [
        ("auto", {}, None),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, None),
        ("auto", {"TERM": "dumb"}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("never", {"FORCE_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
    ],
)
def test_color_is_wanted(choice: str, environment: dict[str, str], wanted: bool | None) -> None:
    assert wanted_color(choice, environment) is wanted


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize(
    ("args", "environment", "colored"),
    [
        ((), {}, True),
        ((), {"NO_COLOR": "1"}, False),
        ((), {"TERM": "dumb"}, False),
        (("--color", "never"), {}, False),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
    ],
)
def test_color_on_a_terminal(
    args: tuple[str, ...], environment: dict[str, str], colored: bool, home: str
) -> None:
    import pty

    ours, theirs = pty.openpty()
    bare = {n: v for n, v in os.environ.items() if n not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run(
        [sys.executable, str(SCRIPT), *args, "--home", home, "status"],
        env={**bare, "TERM": "xterm", **environment},
        stdout=theirs,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    said = os.read(ours, 4096)
    os.close(ours)
    assert (b"\x1b[31m" in said) is colored


def test_a_pipe_gets_no_color(home: str) -> None:
    assert "\x1b" not in run("--home", home, "status").stderr
    assert "\x1b" in run("--home", home, "status", FORCE_COLOR="1").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, tmp_path: Path) -> None:
    places = {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = run("--json", "completion", "install", shell, **places)
    assert done.returncode == 0, done.stderr
    script = Path(json.loads(done.stdout)["file"]).read_text()
    assert "_PANSPERMIA_COMPLETE" in script
    assert tmp_path in Path(json.loads(done.stdout)["file"]).parents


def test_completion_of_a_command_name() -> None:
    asked = {"_PANSPERMIA_COMPLETE": "bash_complete", "COMP_WORDS": "panspermia sta"}
    assert "status" in run(**asked, COMP_CWORD="1").stdout


def test_settings_and_where_they_come_from(home: str) -> None:
    done = run("--home", home, "config", "set", "api.port", "4000")
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), "no node runs that would not know"
    done = run("--home", home, "--json", "config", "show", PANSPERMIA_P2P_MDNS="false")
    settings = json.loads(done.stdout)["settings"]
    assert settings["api.port"]["value"] == 4000
    assert settings["api.port"]["origin"].endswith("config.toml")
    assert settings["p2p.mdns"] == {"value": False, "origin": "PANSPERMIA_P2P_MDNS"}
    assert settings["p2p.listen"]["origin"] == "default"


def test_an_unknown_setting_suggests_the_known_one(home: str) -> None:
    done = run("--home", home, "config", "set", "api.prot", "4000")
    assert done.returncode == 1
    assert "api.port" in done.stderr


def test_no_identity_yet(home: str) -> None:
    done = run("--home", home, "id")
    assert done.returncode == 5
    assert "panspermia up" in done.stderr


# --- a disk that is full, a folder that takes nothing ---------------------------------------------

PASSPHRASE = "correct horse battery"


def with_no_room(home: str, *args: str) -> subprocess.CompletedProcess[str]:
    """No file can get as long as one byte, as on a full disk."""
    line = 'ulimit -f 0; exec "$@"'
    return subprocess.run(
        [
            "sh",
            "-c",
            line,
            "sh",
            sys.executable,
            "-B",
            str(SCRIPT),
            "--home",
            home,
            "--json",
            *args,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def secret(tmp_path: Path) -> str:
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE)
    return str(file)


@pytest.fixture
def somebody(home: str) -> str:
    """A home with an identity, whose files are all readable."""
    place = Home(Path(home))
    place.make()
    return load_or_create(place, os.urandom).did


def test_a_key_that_cannot_be_written_is_told_by_its_file(
    home: str, somebody: str, secret: str, tmp_path: Path
) -> None:
    out = tmp_path / "key"
    done = with_no_room(home, "id", "export", str(out), "--passphrase-file", secret)
    problem = json.loads(done.stdout)
    assert (done.returncode, problem["code"]) == (1, "cannot-write")
    assert str(out) in problem["detail"]
    assert "somewhere else" in problem["detail"]
    assert sorted(tmp_path.iterdir()) == [Path(home), Path(secret)], "nothing is left behind"
    # A folder that is none takes nothing from anybody, whoever runs this.
    done = run(
        "--home", home, "--json", "id", "export", f"{secret}/key", "--passphrase-file", secret
    )
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, "cannot-write")


def test_a_home_that_takes_no_key_is_as_it_was(
    home: str, somebody: str, secret: str, tmp_path: Path
) -> None:
    key = Path(home) / "identity" / "author.key"
    before = key.read_bytes()
    done = with_no_room(home, "id", "seal", "--passphrase-file", secret)
    problem = json.loads(done.stdout)
    assert (done.returncode, problem["code"]) == (1, "bad-home")
    assert f"cannot write {key}" in problem["detail"]
    assert key.read_bytes() == before
    out = tmp_path / "key"
    assert (
        run("--home", home, "id", "export", str(out), "--passphrase-file", secret).returncode == 0
    )
    new = str(tmp_path / "new")
    wanted = ("id", "import", str(out), "--passphrase-file", secret)
    for done in (with_no_room(new, *wanted), run("--home", f"{secret}/new", "--json", *wanted)):
        assert (done.returncode, json.loads(done.stdout)["code"]) == (1, "bad-home")
    done = run("--home", new, "--json", *wanted)
    assert (done.returncode, json.loads(done.stdout)["did"]) == (0, somebody), "then it goes on"


def test_a_reader_that_leaves_is_no_error(home: str) -> None:
    done = subprocess.run(
        f"{sys.executable} {SCRIPT} --help | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("Usage")
    assert "Traceback" not in done.stderr


def test_a_start_loads_little_more_than_click() -> None:
    """How long it takes depends on the machine and is measured in docs/BENCHMARKS.md."""
    code = "import sys, click; print(*sys.modules)"
    bare = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(loaded_after("version")) < LOADED_RATIO_MAX * len(bare.stdout.split())


def test_an_argument_that_is_no_text(home: str) -> None:
    Path(home).mkdir()
    news = {"api": "http://127.0.0.1:1", "p2p": "127.0.0.1:2", "pid": 1, "did": "did:key:z"}
    (Path(home) / "node.json").write_text(json.dumps(news))
    (Path(home) / "token").write_text("t")
    done = run("--home", home, "--json", "search", os.fsdecode(b"\xff"))
    assert (done.returncode, json.loads(done.stdout)["code"]) == (2, "usage")
    assert "must be UTF-8" in json.loads(done.stdout)["detail"]


@pytest.mark.parametrize("words", [b"\xff\xfe\0", b"x" * 2_000])
def test_a_file_without_a_passphrase_is_said_in_a_sentence(
    home: str, tmp_path: Path, words: bytes
) -> None:
    file = tmp_path / "words"
    file.write_bytes(words)
    done = run("--home", home, "restore", str(file), "--passphrase-file", str(file))
    assert done.returncode == 1
    assert "The passphrase cannot be read" in done.stderr
    assert not Path(home).exists()


def test_a_backup_is_not_restored_from_a_pipe(home: str, tmp_path: Path) -> None:
    """It is read twice."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    done = run("--home", home, "restore", str(pipe), "--dry-run")
    assert (done.returncode, "read twice" in done.stderr) == (1, True), done.stderr
