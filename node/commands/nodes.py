"""Nodes of our own on this machine: `panspermia up` in child processes, for `demo` and tests.

Each gets a home, free ports on loopback, and files beside the home for what it prints.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

from node.client import Client, find_client
from node.failure import Failure, Json, failed

# The command line lies beside the folder `node`, in a checkout and in a wheel alike.
COMMAND = (sys.executable, str(Path(__file__).parents[2] / "cli.py"))

# Two cores that compile, index and sign at once; an idle machine takes a second.
START_S = 30.0
STOP_S = 20.0
POLL_S = 0.02

# How much of a dead node's log is worth showing.
LOG_LINES = 15

T = TypeVar("T")


class Process(Protocol):
    """As much of `subprocess.Popen` as is asked of a node's."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...

    def kill(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LocalNode:
    """A running node, and how it said that it is ready."""

    name: str
    home: Path
    process: Process
    ready: Json

    @property
    def did(self) -> str:
        return str(self.ready["did"])

    @property
    def client(self) -> Client:
        return find_client(str(self.home))

    def stop(self, timeout_s: float = STOP_S) -> int:
        """Ask it to end, and wait for that. Its exit code; Raises `Failure` where it hangs."""
        self.client.post("/api/shutdown")
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            self.kill()
            detail = f"It was asked to, but still ran after {timeout_s:g} s."
            raise failed("still-running", f"{self.name} did not stop", detail) from error

    def kill(self) -> None:
        """As the power would, nothing written behind; nothing where it is gone already."""
        self.process.kill()
        self.process.wait()


def start_node(
    name: str,
    folder: Path,
    *flags: str,
    environment: dict[str, str] | None = None,
    role: str = "up",
    program: Sequence[str] = COMMAND,
) -> LocalNode:
    """`panspermia up` with its home in `folder/name`, ready. Raises `Failure` with its log.

    `role`: the command, where it is another one that runs a node; `program`: who is given it.
    """
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    out, log = folder / f"{name}.out", folder / f"{name}.log"
    command = [*program, "--home", str(home), "--json", role]
    command += ["--port", "0", "--listen", "127.0.0.1:0", *flags]
    with out.open("wb") as stdout, log.open("ab") as stderr:
        process = begin(command, environment or clean_environment(), stdout, stderr)
    try:
        ready = wait_for(
            f"{name} to be ready", START_S, lambda: first_line(out, log, process, name)
        )
    except BaseException:
        process.kill()
        process.wait()
        raise
    return LocalNode(name, home, process, ready)


def begin(
    command: Sequence[str], environment: dict[str, str], stdout: BinaryIO, stderr: BinaryIO
) -> Process:
    """A process with a session of its own: a Ctrl-C is for us, who then stop it in order."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=environment,
        start_new_session=True,
    )


def clean_environment() -> dict[str, str]:
    """Ours, without the settings of another node."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PANSPERMIA_")}


def first_line(out: Path, log: Path, process: Process, name: str) -> Json | None:
    """The line that says it is ready, once it is whole."""
    line, end, _ = out.read_bytes().partition(b"\n")
    if end:
        said: Json = json.loads(line)
        if said.get("event") == "ready":
            return said
    if end or process.poll() is not None:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        detail = f"{line.decode(errors='replace')}\n{last}".strip()
        raise failed("node-died", f"{name} did not start", detail)
    return None


def wait_for(what: str, timeout_s: float, look: Callable[[], T | None]) -> T:
    """What `look` finds, as soon as it finds something. Raises `Failure` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise failed("timeout", f"Waited {timeout_s:g} s for {what}", "In vain.")
        time.sleep(POLL_S)
    return found


def stop_all(nodes: Sequence[LocalNode], timeout_s: float = STOP_S) -> None:
    """In order where they answer, else by force: none is left behind."""
    for node in nodes:
        if node.process.poll() is None:
            try:
                node.stop(timeout_s)
            except Failure:  # one that hung is gone by now: its number may be another's
                node.kill()
