"""Autosaves of a game: on this disk first, then in a Panspermia node as soon as there is one.

One file, the standard library alone, Python 3.11 or later: copy it into your game.

    saves = Autosave("saves/main", "universe:main")
    saves.save(state, tick=1200)   # on the disk when it returns; nothing here waits for a network
    saves.save(state, tick=1500, kind="canonical", event={"type": "founded", "title": "A town"})
    saves.status().problem         # "" or a sentence: what is in the way
    saves.latest()                 # what was saved last, whether a node has it or not
    saves.close()                  # what waits is sent after the next start

In the folder each save is one file, `<number>.save`: a line of JSON, then the state. What a node
has is called `.sent`, of which the newest is kept; what it will never take `.refused`. A thread
sends them in order and tries again by itself. One program at a time uses a folder.

Part of Panspermia, Apache-2.0.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote, urlencode, urlsplit

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

WAITING_MAX = 200  # saves; past it the oldest automatic ones are dropped
WAITING_BYTES_MAX = 4 << 30
REFUSED_MAX = 10  # files kept, to be looked at
TIMEOUT_S = 60.0  # of a connection on which nothing moves
BACKOFF_S = (1.0, 60.0)  # between tries: doubled each time, up to the second
BLOCKED_S = 60.0  # until a token or a universe is tried again that was wrong
ANSWER_BYTES_MAX = 1 << 20
HEAD_BYTES_MAX = 1 << 20  # of a file's first line
KINDS = ("auto", "manual", "canonical")
ENDINGS = ("save", "sent", "refused")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class InUse(RuntimeError):
    """Another program, or another `Autosave`, has this folder."""


@dataclass(frozen=True)
class Save:
    """What a file says of its state."""

    path: Path
    tick: int
    kind: str
    at_ms: int
    size: int
    key: str
    day: int | None = None
    event: dict[str, Any] | None = None
    media: str = "application/json"

    def state(self) -> bytes:
        """Its bytes, as they were given."""
        with self.path.open("rb") as file:
            file.readline(HEAD_BYTES_MAX)
            return file.read()


@dataclass(frozen=True)
class Status:
    """How it stands. `problem` is "" or says what is in the way, for the person who plays."""

    waiting: int
    waiting_bytes: int
    sent: int
    """Since the program began; so are the next two."""
    dropped: int
    refused: int
    problem: str


@dataclass(frozen=True)
class _Outcome:
    """Of one try: None and "" where the node has it."""

    problem: str = ""
    is_final: bool = False
    after_s: float | None = None


class Autosave:
    """Saves of one universe in one folder.

    `url` and `token` are read from the node's `home` where they are not given, at each try: so a
    node that starts again on another port is found. The token of a home goes to this computer only.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        universe: str,
        *,
        url: str | None = None,
        token: str | None = None,
        home: str | os.PathLike[str] | None = None,
        media: str = "application/json",
        waiting_max: int = WAITING_MAX,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
        backoff_s: tuple[float, float] = BACKOFF_S,
        blocked_s: float = BLOCKED_S,
    ) -> None:
        self._folder, self._universe, self._media = Path(folder), universe, media
        self._url, self._token = url, token
        self._home = Path(home) if home is not None else default_home()
        self._waiting_max, self._waiting_bytes_max = waiting_max, waiting_bytes_max
        self._backoff_s, self._blocked_s = backoff_s, blocked_s
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._folder / "lock")
        for torn in self._folder.glob("*.tmp"):  # of a save that was interrupted
            torn.unlink()
        self._waiting = dict(self._files("save"))
        self._number = max((number for number, _ in self._files("*")), default=0)
        self._sent = self._dropped = self._refused = 0
        self._problem, self._sending = "", -1
        self._is_closed, self._hurries = False, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="panspermia autosave", daemon=True)
        self._thread.start()

    def save(
        self,
        state: bytes,
        *,
        tick: int,
        kind: str = "auto",
        day: int | None = None,
        event: dict[str, Any] | None = None,
    ) -> Path:
        """Writes `state` to the disk, and lets it be sent. It waits for nothing but the disk.

        `event` of a canonical one: its type, title, description. Raises `OSError` where the disk
        does not take it, `ValueError` for what no universe takes.
        """
        if kind not in KINDS or tick < 0:
            raise ValueError(f"a save is one of {', '.join(KINDS)}, of a tick that is 0 or more")
        if not state:
            raise ValueError("a save has one byte at least")
        head: dict[str, Any] = {
            "tick": tick, "kind": kind, "at_ms": time.time_ns() // 1_000_000, "size": len(state),
            "key": uuid.uuid4().hex, "day": day, "event": event, "media": self._media,
        }  # fmt: skip
        with self._changed:
            if self._is_closed:
                raise ValueError("these saves were closed")
            self._number += 1
            number = self._number
        line = json.dumps(head).encode() + b"\n"
        path = self._path(number, "save")
        _write(path, line, state)
        with self._changed:
            self._waiting[number] = len(line) + len(state)
            self._make_room(number)
            self._changed.notify_all()
        return path

    def latest(self) -> Save | None:
        """What was saved last: also what a node has by now."""
        while True:
            found = [path for ending in ENDINGS for path in self._folder.glob(f"*.{ending}")]
            for path in sorted(found, key=lambda path: path.name, reverse=True):
                if save := read_save(path):
                    return save
                if not path.exists():  # it was sent just now, and has another name
                    break
            else:
                return None

    def status(self) -> Status:
        with self._changed:
            size = sum(self._waiting.values())
            count = len(self._waiting)
            return Status(count, size, self._sent, self._dropped, self._refused, self._problem)

    def flush(self, timeout_s: float) -> bool:
        """Tries at once, and waits until nothing waits; False where something still does."""
        with self._changed:
            self._hurries = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting, timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends the thread, which has so long for what it does just now; what waits is kept."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._lock.close()

    # ── the thread ───────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        tries = 0
        while (number := self._next()) is not None:
            try:
                outcome = self._send(number)
                self._note(number, outcome)
            except Exception as error:  # must not end all saving: it is shown, and tried again
                outcome = _Outcome(f"{type(error).__name__}: {error}")
                self._problem = outcome.problem
            tries = 0 if outcome.is_final or not outcome.problem else tries + 1
            if tries:
                self._pause(outcome.after_s, tries)

    def _next(self) -> int | None:
        """The oldest that waits; None once there is nothing more to do here."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            if self._is_closed:
                return None
            self._sending = min(self._waiting)
            return self._sending

    def _note(self, number: int, outcome: _Outcome) -> None:
        path = self._path(number, "save")
        with self._changed:
            self._sending, self._problem = -1, outcome.problem
            if not outcome.problem:
                self._sent += 1
                _moved(path, self._path(number, "sent"))
                self._keep("sent", 1)
            elif outcome.is_final:
                self._refused += 1
                _moved(path, self._path(number, "refused"))
                self._keep("refused", REFUSED_MAX)
            else:
                return
            self._waiting.pop(number, None)
            self._changed.notify_all()

    def _pause(self, after_s: float | None, tries: int) -> None:
        first_s, most_s = self._backoff_s
        # With chance in it: of a hundred games that lost one node not all come at once.
        usual_s = min(most_s, first_s * 2 ** min(tries - 1, 30)) * random.uniform(0.5, 1.0)
        with self._changed:
            self._changed.wait_for(self._is_hurried, usual_s if after_s is None else after_s)
            self._hurries = False

    def _is_hurried(self) -> bool:
        return self._is_closed or self._hurries

    def _send(self, number: int) -> _Outcome:
        save = read_save(self._path(number, "save"))
        if save is None:
            return _Outcome(f"{self._path(number, 'save').name} is damaged", is_final=True)
        try:
            url, token = self._address()
        except (OSError, ValueError) as error:
            return _Outcome(str(error))
        try:
            status, answer, after_s = _post(save, url, token, self._universe)
        except (OSError, http.client.HTTPException) as error:
            said = str(error) or type(error).__name__
            return _Outcome(f"the node at {url} does not answer: {said}")
        said = str(answer.get("detail") or answer.get("error") or f"status {status}")
        if 200 <= status < 300:
            return _Outcome()
        if status in (401, 403):
            return _Outcome(f"the node does not take this token: {said}", after_s=self._blocked_s)
        if status == 404:
            hint = f"make it: panspermia universe create NAME --id {self._universe}"
            return _Outcome(f"{said}; {hint}", after_s=self._blocked_s)
        if status in (400, 413, 415, 422):
            return _Outcome(f"the node will not take a save: {said}", is_final=True)
        return _Outcome(f"the node does not take it now: {said}", after_s=after_s)

    def _address(self) -> tuple[str, str]:
        """(url, token) as they are now. Raises `OSError` or `ValueError`, with a sentence."""
        url, token = self._url, self._token
        if url is None:
            try:
                url = json.loads((self._home / "node.json").read_text())["api"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                where = f"no node runs in {self._home}; start it: panspermia up"
                raise OSError(where) from error
        if token is None:
            if urlsplit(str(url)).hostname not in LOOPBACK:
                raise ValueError(f"give the token for {url}: that of a home stays on this computer")
            try:
                token = (self._home / "token").read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                where = f"the token of the node cannot be read from {self._home / 'token'}"
                raise OSError(where) from error
        return str(url), token

    # ── the folder ───────────────────────────────────────────────────────────────────────────────

    def _path(self, number: int, ending: str) -> Path:
        return self._folder / f"{number:016d}.{ending}"

    def _files(self, ending: str) -> list[tuple[int, int]]:
        """(number, bytes) of each."""
        found = [path for path in self._folder.glob(f"*.{ending}") if path.stem.isdigit()]
        return [(int(path.stem), path.stat().st_size) for path in found]

    def _keep(self, ending: str, count: int) -> None:
        for number, _ in sorted(self._files(ending))[:-count]:
            self._path(number, ending).unlink()

    def _make_room(self, newest: int) -> None:
        """The oldest automatic ones go first; what is being sent stays, and so does the newest."""
        while len(self._waiting) > self._waiting_max or (
            sum(self._waiting.values()) > self._waiting_bytes_max
        ):
            others = sorted(self._waiting.keys() - {newest, self._sending})
            if not others:
                return
            saves = ((number, read_save(self._path(number, "save"))) for number in others)
            plain = (number for number, save in saves if save is None or save.kind == "auto")
            number = next(plain, others[0])
            self._path(number, "save").unlink()
            del self._waiting[number]
            self._dropped += 1


def default_home() -> Path:
    """Where a node keeps its things, unless it was told otherwise."""
    if said := os.environ.get("PANSPERMIA_HOME"):
        return Path(said)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "panspermia"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/panspermia"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "panspermia"


def _post(
    save: Save, url: str, token: str, universe: str
) -> tuple[int, dict[str, Any], float | None]:
    """(status, answer, Retry-After). Raises `OSError` or `HTTPException`."""
    place = urlsplit(url)
    query: dict[str, Any] = {"tick": save.tick, "type": save.kind}
    if save.day is not None:
        query["day"] = save.day
    if save.event is not None:
        query["event"] = json.dumps(save.event)
    path = f"{place.path.rstrip('/')}/api/universe/{quote(universe, safe=':')}/snapshot"
    headers = {
        "Content-Type": save.media, "Content-Length": str(save.size),
        "Idempotency-Key": save.key, "Accept": "application/json, application/problem+json",
        "Authorization": f"Bearer {token}",
    }  # fmt: skip
    kinds: dict[str, Callable[..., http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection, "https": http.client.HTTPSConnection,
    }  # fmt: skip
    if place.scheme not in kinds or not place.hostname:
        raise OSError(f"{url} is no address of a node")
    connection = kinds[place.scheme](place.hostname, place.port, timeout=TIMEOUT_S)
    try:
        with save.path.open("rb") as file:
            file.readline(HEAD_BYTES_MAX)
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered by then
                connection.request("POST", f"{path}?{urlencode(query)}", file, headers)
        answer = connection.getresponse()
        said = answer.read(ANSWER_BYTES_MAX)
        after = answer.headers.get("Retry-After", "")
        return answer.status, _object(said), float(after) if after.isdecimal() else None
    finally:
        connection.close()


def _object(said: bytes) -> dict[str, Any]:
    """The JSON object that it is; {} for anything else."""
    try:
        found = json.loads(said)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def read_save(path: Path) -> Save | None:
    """None for what is whole no more."""
    try:
        with path.open("rb") as file:
            line = file.readline(HEAD_BYTES_MAX)
        save = Save(path=path, **json.loads(line))
        return save if path.stat().st_size == len(line) + save.size else None
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, *parts: bytes) -> None:
    """All of it, or nothing: under another name until the disk has it."""
    draft = path.with_suffix(".tmp")
    try:
        with draft.open("wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise
    if sys.platform != "win32":  # and so does the folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _moved(source: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        source.replace(target)


def _locked(path: Path) -> IO[bytes]:
    """Open for as long as the folder is used. Raises `InUse`."""
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise InUse(f"another program saves into {path.parent}") from error
    return file
