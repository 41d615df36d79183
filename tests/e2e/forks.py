"""Commands and nodes as forks of one process: importing takes most of the time of their start.

A fork is a process as any other: with files, a folder and an environment of its own, to be killed.
How a command starts by itself is what tests/test_cli.py, test_lifecycle.py and others are about.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import BinaryIO

ROOT = Path(__file__).parents[2]
PROGRAM = "tests.e2e.forks_program"
STARTS_S = 60.0  # to import everything, on a machine under load
NUMBER_BYTES = 16
PIPE_BYTES = 64 << 10


class Fork:
    """A child of somebody else, who tells of it on a socket. Fits `node.commands.nodes.Process`.

    As that of a `Popen` its number is its own until `poll` or `wait` says how it ended.
    """

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        told.settimeout(STARTS_S)
        number = told.recv(NUMBER_BYTES)
        assert number, "nothing was forked: see above"
        self.pid = int(number)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._hear(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._hear(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return code

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # as Popen
                os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _hear(self, timeout_s: float | None) -> int | None:
        """How it ended, as `Popen.returncode`; None where it has not.

        Raises `ChildProcessError` where who waits for it was killed.
        """
        if self.returncode is None:
            try:
                self._told.settimeout(timeout_s)
                code = self._told.recv(NUMBER_BYTES)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError:  # closed below
                code = b""
            if not code:
                self._told.close()
                raise ChildProcessError(f"nobody is left to tell how process {self.pid} ends")
            self.returncode = int(code)
            with self._told as told:
                told.settimeout(STARTS_S)
                told.send(b".")
                told.recv(1)  # its end: it is taken off the list
        return self.returncode


class Forks:
    """Asks the program, one request at a time."""

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking
        self._turn = Lock()

    def start(
        self,
        args: Sequence[str],
        files: Sequence[int],
        *,
        environment: Mapping[str, str],
        folder: Path,
        session: bool = False,
    ) -> Fork:
        """`panspermia` with `args`; `files` become its stdin, stdout and stderr."""
        asked = {
            "args": list(args), "environment": dict(environment), "folder": str(folder),
            "session": session,
        }  # fmt: skip
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._turn:
            said = json.dumps(asked).encode()
            socket.send_fds(self._asking, [said], [*files, theirs.fileno()])
        return Fork(ours)

    def run(
        self,
        args: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        input: str,
        timeout_s: float,
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run`, of text, with what it printed. `input` fits into a pipe."""
        data = input.encode()
        assert len(data) < PIPE_BYTES
        with ExitStack() as stack:
            stdout, stderr = (stack.enter_context(TemporaryFile()) for _ in range(2))
            source, target = os.pipe()
            os.write(target, data)
            os.close(target)
            stack.callback(os.close, source)
            files = [source, stdout.fileno(), stderr.fileno()]
            fork = self.start(args, files, environment=environment, folder=folder)
            try:
                code = fork.wait(timeout_s)
            except BaseException:
                fork.kill()
                raise
            return subprocess.CompletedProcess(list(args), code, text_of(stdout), text_of(stderr))


def text_of(file: BinaryIO) -> str:
    file.seek(0)
    return file.read().decode()


@contextmanager
def open_forks() -> Generator[Forks]:
    """Ready, and ended with it; not the forks, which are whoever's asked for them."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            program = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        ours.settimeout(STARTS_S)
        with program:
            try:
                assert ours.recv(1) == b".", "it could not import everything: see above"
                ours.settimeout(None)
                yield Forks(ours)
            finally:
                ours.close()
