"""A scanner of somebody's choice looks at each module before it is installed: `install.scanner`.

It is a command of this machine, started without a shell, once for each version that is new here:

    argv     the words of the setting, and the path of the WASM, which is removed afterwards
    stdin    JSON: {"path", "module", "version", "author", "sha256", "size", "imports", "exports",
             "dependencies", "license"}
    stdout   JSON: {"verdict": "allow" | "warn" | "deny", "reasons": ["…"]}
    exit     0; anything else is a failure

Silence, too much output, another exit code, and what is no such JSON are failures: then nothing is
installed. Its environment is `ENVIRONMENT` and nothing of the node's.
"""

import asyncio
import os
import shlex
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, cast

import msgspec
from msgspec import Meta, Struct

from node.errors import Rejected
from registry.errors import quoted

OUTPUT_BYTES_MAX: Final = 64 * 1024  # a verdict and its reasons; a log belongs elsewhere
ERRORS_BYTES_MAX: Final = 4 * 1024  # of its stderr, for the one sentence that is shown
REASONS_MAX: Final = 20
END_S: Final = 1.0  # for what was killed to be gone; the kernel takes a moment
ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


Reason: TypeAlias = Annotated[str, Meta(max_length=1_000)]


class Subject(Struct, frozen=True, kw_only=True):
    """What the scanner is told of a version, beside its bytes."""

    path: str = ""
    module: str
    version: str
    author: str
    sha256: str
    size: int
    imports: tuple[str, ...]
    exports: tuple[str, ...]
    dependencies: Mapping[str, str]
    license: str


class Verdict(Struct, frozen=True):
    """What it says. `deny` needs a reason as much as `warn` does, but none is no excuse."""

    verdict: Literal["allow", "warn", "deny"]
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=REASONS_MAX)] = ()


_VERDICT: Final = msgspec.json.Decoder(Verdict)


@dataclass(frozen=True, slots=True)
class Scanner:
    """`command` as it was set: words as a shell reads them."""

    command: str
    timeout_s: float

    async def scan(self, subject: Subject, wasm: bytes) -> Verdict:
        """Raises `Rejected` (`scanner-failed`) where it gives no verdict."""
        with tempfile.TemporaryDirectory(prefix="panspermia-scan-") as folder:
            file = Path(folder) / "module.wasm"
            await asyncio.to_thread(file.write_bytes, wasm)
            told = msgspec.json.encode(msgspec.structs.replace(subject, path=str(file)))
            said = await self._run(file, told)
        try:
            return _VERDICT.decode(said)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise failed(f"what it said is no verdict: {error}") from error

    async def _run(self, file: Path, told: bytes) -> bytes:
        try:
            words = shlex.split(self.command)
            process = await asyncio.create_subprocess_exec(
                *words, str(file), stdin=PIPE, stdout=PIPE, stderr=PIPE,
                cwd=file.parent, env=ENVIRONMENT, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise failed(f"{self.command!r} cannot be started: {why}") from error
        try:
            async with asyncio.timeout(self.timeout_s):
                return await _talk(process, told)
        except TimeoutError as error:
            raise failed(f"it gave no verdict within {self.timeout_s:g} s") from error
        finally:
            await _end(process)


async def _talk(process: Process, told: bytes) -> bytes:
    """What it writes, once it has ended well."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    async with asyncio.TaskGroup() as group:
        group.create_task(_tell(process.stdin, told), name="tell the scanner")
        said = group.create_task(_hear(process, process.stdout), name="hear the scanner")
        errors = group.create_task(_drain(process.stderr), name="errors of the scanner")
    if len(said.result()) > OUTPUT_BYTES_MAX:
        raise failed(f"it said more than {OUTPUT_BYTES_MAX} bytes")
    code = await process.wait()
    if code != 0:
        last = errors.result().decode(errors="replace").strip().rpartition("\n")[2]
        raise failed(f"it ended with {code}{f': {quoted(last)}' if last else ''}")
    return said.result()


async def _tell(stdin: asyncio.StreamWriter, told: bytes) -> None:
    """It may end without having read it all."""
    with suppress(ConnectionError):
        stdin.write(told)
        await stdin.drain()
    stdin.close()


async def _hear(process: Process, stdout: asyncio.StreamReader) -> bytes:
    """All of it; at one byte more than is allowed it is ended, or it would wait for a reader."""
    said = b""
    while part := await stdout.read(OUTPUT_BYTES_MAX + 1 - len(said)):
        said += part
        if len(said) > OUTPUT_BYTES_MAX:
            _kill(process)
            break
    return said


async def _drain(stream: asyncio.StreamReader) -> bytes:
    """The end of it. It is read to the end, so that nobody waits who writes much."""
    said = b""
    while part := await stream.read(ERRORS_BYTES_MAX):
        said = (said + part)[-ERRORS_BYTES_MAX:]
    return said


async def _end(process: Process) -> None:
    """It is gone, and so are its pipes, also those that something else still holds open.

    asyncio tells of the end of a process when its pipes have come to theirs.
    """
    _kill(process)
    assert process.stdout
    assert process.stderr
    # Nothing public of a process lets go of its pipes.
    let_go = cast(asyncio.SubprocessTransport, vars(process)["_transport"]).close
    # A timer, no timeout block: before Python 3.11.3 one inside a cancelled task ends as one more
    # cancellation, and the pipes would stay.
    deadline = asyncio.get_running_loop().call_later(END_S, let_go)
    try:
        await asyncio.gather(_skip(process.stdout), _skip(process.stderr))
        await process.wait()
    finally:
        deadline.cancel()
        let_go()  # at once where even this was cancelled


async def _skip(stream: asyncio.StreamReader) -> None:
    while await stream.read(OUTPUT_BYTES_MAX):
        pass


def _kill(process: Process) -> None:
    """With all it has started: it leads a session of its own. There are none on Windows."""
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def failed(why: str) -> Rejected:
    return Rejected(
        f"The scanner (setting install.scanner) failed, so nothing was installed: {why}",
        code="scanner-failed",
    )
