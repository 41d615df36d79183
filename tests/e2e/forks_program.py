"""`panspermia`, imported once: whoever asks on the socket gets a fork that goes on as a command.

    -m tests.e2e.forks_program SOCKET     the number of an open Unix socket

A request is JSON, `Asked`, with four files: what becomes 0, 1 and 2, and a socket of its own on
which its number is told, and later how it ended, to be answered by any byte. When nobody can ask
any more, it ends.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TypedDict

from node.heap import kept

ROOT = Path(__file__).parents[2]
ASKED_BYTES_MAX = 128 << 10
FILES = 4
# What is imported late, in a function: by a command, and by a node.
LATE = (
    "http.client", "encodings.idna", "uvloop",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)  # fmt: skip


class Asked(TypedDict):
    """What to run, and as whom."""

    args: list[str]
    environment: dict[str, str]
    folder: str
    session: bool


def import_all() -> None:
    """The command line, each of its commands, and the daemon."""
    import_module("cli")
    for file in sorted((ROOT / "node" / "commands").glob("*.py")):
        import_module(f"node.commands.{file.stem}")
    for name in ("node.daemon", "node.settings", "node.slips", *LATE):
        import_module(name)


def serve(asking: socket.socket) -> Asked:
    """Returns in each fork, to run what was asked for; here it ends the program."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for who waits
    asking.send(b".")
    while True:
        said, files, _, _ = socket.recv_fds(asking, ASKED_BYTES_MAX, FILES)
        if not said:
            sys.exit()
        if os.fork() == 0:
            asking.close()
            asked: Asked = json.loads(said)
            *standard, own = files
            if not fork_and_wait(socket.socket(fileno=own), standard):
                return become(asked, standard)
        for file in files:
            os.close(file)


def fork_and_wait(told: socket.socket, standard: Sequence[int]) -> bool:
    """Returns in the fork; its parent tells of it, waits for its end and ends too.

    Who is told how it ended answers, or is gone: until then the fork's number stays its own.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        told.close()
        return False
    for number in (*range(3), *standard):  # a pipe of the fork's is to end with the fork
        os.close(number)
    told.send(b"%d" % child)
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    with suppress(OSError):
        told.send(b"%d" % code)
        told.recv(1)
    os.waitpid(child, 0)
    os._exit(0)


def become(asked: Asked, standard: list[int]) -> Asked:
    """Its files, folder, environment and session."""
    for number, file in enumerate(standard):
        os.dup2(file, number)
        os.close(file)
    if asked["session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return asked


def main() -> None:
    with kept():
        import_all()
    assert len(os.listdir("/proc/self/task")) == 1, "a fork would have none of the other threads"
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.argv[:] = [str(ROOT / "cli.py"), *asked["args"]]
    import_module("cli").main()


if __name__ == "__main__":
    main()
