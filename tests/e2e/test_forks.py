"""A fork is a command as any other: what it is given, what it prints, and how it ends."""

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.commands.nodes import COMMAND, clean_environment, wait_for
from tests.e2e.forks import Fork, Forks
from tests.e2e.story import ARRIVE_S, COMMAND_S, Shell, StartNode


def run_both(
    forks: Forks, folder: Path, *args: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]:
    """The same command as a fork and by itself."""
    given = clean_environment() | environment
    fork = forks.run(args, environment=given, folder=folder, input="", timeout_s=COMMAND_S)
    process = subprocess.run(
        [*COMMAND, *args],
        cwd=folder,
        env=given,
        input="",
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    return fork, process


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--version",), 0),
        (("--color", "always", "--help"), 0),
        (("--json", "config", "show"), 0),
        (("--json", "status"), 3),
        (("nosuch",), 2),
        (("publish", "."), 3),
    ],
)
def test_it_prints_and_ends_as_a_process_does(
    forks: Forks, tmp_path: Path, args: tuple[str, ...], code: int
) -> None:
    home = str(tmp_path / "home")
    (tmp_path / "a.rle").write_text("x = 3, y = 1\n3o!\n")
    fork, process = run_both(forks, tmp_path, *args, PANSPERMIA_HOME=home, COLUMNS="60")
    assert (fork.returncode, process.returncode) == (code, code), fork
    assert (fork.stdout, fork.stderr) == (process.stdout, process.stderr)
    assert fork.stdout or fork.stderr


def test_it_reads_what_it_is_given(forks: Forks, tmp_path: Path) -> None:
    args, environment = ("convert", "-", "--to", "cells"), clean_environment()
    row = "x = 3, y = 1\n3o!\n"
    done = forks.run(args, environment=environment, folder=tmp_path, input=row, timeout_s=COMMAND_S)
    assert (done.returncode, done.stdout) == (0, "OOO\n"), done


@contextmanager
def reading(forks: Forks, folder: Path) -> Generator[Fork]:
    """One that reads, until it is killed or the pipe that it reads ends."""
    source, target = os.pipe()
    with open(os.devnull, "wb") as nothing, closing_both(source, target):
        yield forks.start(
            ("convert", "-", "--to", "cells"),
            [source, nothing.fileno(), nothing.fileno()],
            environment=clean_environment(),
            folder=folder,
        )


@contextmanager
def closing_both(*files: int) -> Generator[None]:
    yield
    for file in files:
        os.close(file)


def state_of(pid: int) -> str:
    """Z where it ended and nobody asked how; "" where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


def test_its_number_is_nobody_elses_until_it_is_known_how_it_ended(
    forks: Forks, tmp_path: Path
) -> None:
    with reading(forks, tmp_path) as fork:
        assert fork.poll() is None
        os.kill(fork.pid, signal.SIGKILL)
        wait_for("its end", ARRIVE_S, lambda: state_of(fork.pid) == "Z" or None)
        os.kill(fork.pid, 0)
        assert fork.wait(ARRIVE_S) == -signal.SIGKILL  # whoever waits for it tells a moment later
        fork.kill()
        assert state_of(fork.pid) == ""


def test_what_it_reads_and_writes_ends_with_it(forks: Forks, tmp_path: Path) -> None:
    """Also before anybody asks how it ended."""
    source, target = os.pipe()
    with open(os.devnull, "rb") as nothing:
        files = [nothing.fileno(), target, target]
        given = clean_environment()
        fork = forks.start(("--version",), files, environment=given, folder=tmp_path)
    os.close(target)
    with os.fdopen(source) as output:
        assert output.read().startswith("panspermia")
    assert fork.wait(COMMAND_S) == 0


def test_one_whose_end_nobody_can_tell_is_said_so(forks: Forks, tmp_path: Path) -> None:
    with reading(forks, tmp_path) as fork:
        between = parent_of(fork.pid)
        assert between != os.getpid()
        os.kill(between, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(ChildProcessError, match=f"how process {fork.pid} ends"):
                fork.wait(ARRIVE_S)
        os.kill(fork.pid, signal.SIGKILL)


def start(forks: Forks, folder: Path) -> Fork:
    with (folder / "out").open("wb") as out:
        args = ["--home", str(folder / "home"), "--json", "up", "--port", "0", "--no-mdns"]
        return forks.start(
            [*args, "--listen", "127.0.0.1:0"],
            [out.fileno()] * 3,
            environment=clean_environment(),
            folder=folder,
            session=True,
        )


@pytest.mark.nodes
def test_it_lives_until_it_is_killed(forks: Forks, tmp_path: Path) -> None:
    fork = start(forks, tmp_path)
    wait_for("it to be ready", ARRIVE_S, lambda: (tmp_path / "out").read_bytes() or None)
    assert fork.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        fork.wait(0.01)
    assert os.getsid(fork.pid) == fork.pid
    fork.kill()
    assert fork.wait(ARRIVE_S) == fork.returncode == fork.poll() == -signal.SIGKILL
    fork.kill()  # of what is gone: nothing
    with pytest.raises(ProcessLookupError):
        os.kill(fork.pid, 0)


@pytest.mark.nodes
def test_a_node_and_its_commands_are_forks(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    assert shell(alice, "status").answer["state"] == "ready"
    assert isinstance(alice.process, Fork)
    os.kill(alice.process.pid, signal.SIGINT)
    assert alice.process.wait(ARRIVE_S) == 0
