"""Autosaves of a game: on this disk first, then in a Panspermia node as soon as there is one.

One file, the standard library alone, Python 3.11 or later: copy it into your game. The universe is
made once, by `panspermia universe create Main --id universe:main`: saves wait until it is there.

    saves = Autosave("saves/main", "universe:main")
    saves.save(state, tick=1200)   # on the disk when it returns; nothing here waits for a network
    saves.save(state, tick=1500, kind="canonical", event={"type": "founded", "title": "A town"})
    saves.status().problem         # "" or a sentence: what is in the way
    saves.latest()                 # what was saved last, whether a node has it or not
    saves.close()                  # what waits is sent after the next start

In the folder each save is one file, `<number>.save`: a line of JSON, then the state. What a node
has is called `.sent`, of which the newest is kept; what it will never take `.refused`. A thread
sends them in order and tries again by itself; one that cannot be opened just now lets the others go
first. One program at a time uses a folder.

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
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import quote, quote_plus, urlencode, urlsplit

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
PIECE_BYTES = 1 << 16
HEAD_BYTES_MAX = 1 << 20  # of a file's first line
DESCRIPTION_BYTES_MAX = 2_048  # of an event; as nodes have it
EVENT_CHARACTERS_MAX = 8_192  # as JSON
EVENT_BYTES_MAX = 60 << 10  # in the address of a request, of which a node hears 64 KiB
TIME_MS_MAX = 10**14
# What a node answers with these will never be taken, unless its code says to send it again.
FINAL = (400, 413, 414, 415, 422, 431)
UNKNOWN = "unknown-parameter"  # by an older node
AGAIN = ("cut-off", "snapshot-not-kept", UNKNOWN)
FULL = ("universe-full", "record-full")  # of events, say
MISMATCH = "checksum-mismatch"  # of bytes that were damaged on their way, or before
MISMATCHES_MAX = 5  # tries
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
    """Also of an event that the node did not take: its state was sent without it."""


@dataclass(frozen=True)
class _Outcome:
    """Of one try."""

    problem: str = ""
    """What is in the way. "" does not say that the node has it: `is_sent` does."""
    is_sent: bool = False
    """The node said that it has it."""
    is_final: bool = False
    """It will never take it."""
    after_s: float | None = None
    is_unread: bool = False
    """It cannot be opened just now: the others go first."""
    is_of_event: bool = False
    """Its state alone may be taken all the same."""
    left_out: str | None = None
    """Of one that had an event: why it is not there, or "" where it is."""


class _Unread(Exception):
    """The file of a save cannot be read just now."""


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
            with suppress(OSError):  # one that is open elsewhere stays, and is passed over
                torn.unlink()
        self._waiting = dict(self._files("save"))
        self._kinds: dict[int, str] = {}
        """Of those that wait, as far as they were asked for."""
        self._unread: set[int] = set()
        """Passed over until the others were sent."""
        self._mismatches: dict[int, int] = {}
        self._number = max((number for number, _ in self._files("*")), default=0)
        self._sent = self._dropped = self._refused = 0
        self._problem, self._left_out, self._sending = "", "", -1
        self._is_closed, self._hurries = False, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="panspermia autosave", daemon=True)
        self._thread.start()

    def save(
        self,
        state: bytes | bytearray | memoryview,
        *,
        tick: int,
        kind: str = "auto",
        day: int | None = None,
        event: dict[str, Any] | None = None,
    ) -> Path:
        """Writes `state` to the disk, and lets it be sent. It waits for nothing but the disk.

        `event` of a canonical one: its type, title, description; one that is too long is left out,
        and `status().problem` says so. Raises `OSError` where the disk does not take it,
        `ValueError` for what no universe takes.
        """
        if kind not in KINDS or not _is_whole(tick) or not (day is None or _is_whole(day)):
            kinds = ", ".join(KINDS)
            raise ValueError(
                f"a save is one of {kinds}, of a whole tick and day from 0 to 2^63 - 1"
            )
        # Of other items than bytes the length is another than that of the file.
        data = state if isinstance(state, bytes) else bytes(memoryview(state))
        if not data:
            raise ValueError("a save has one byte at least")
        too_long = _too_long(event)
        head: dict[str, Any] = {
            "tick": tick, "kind": kind, "at_ms": time.time_ns() // 1_000_000, "size": len(data),
            "key": uuid.uuid4().hex, "day": day, "event": None if too_long else event,
            "media": self._media,
        }  # fmt: skip
        line = json.dumps(head).encode() + b"\n"
        if len(line) > HEAD_BYTES_MAX:
            said = f"{len(line):,} bytes, at most {HEAD_BYTES_MAX:,}"
            raise ValueError(f"what is said of a save has {said}")
        with self._changed:
            if self._is_closed:
                raise ValueError("these saves were closed")
            self._number += 1
            number = self._number
        path = self._path(number, "save")
        _write(path, line, data)
        with self._changed:
            self._waiting[number] = len(line) + len(data)
            self._kinds[number] = kind
            if too_long:
                self._left_out = _left_out(tick, too_long)
            self._make_room(number)
            self._changed.notify_all()
        return path

    def latest(self) -> Save | None:
        """What was saved last: also what a node has by now.

        Raises `OSError` where its file cannot be opened just now: an older one is not the last.
        """
        while True:
            found = [path for ending in ENDINGS for path in self._folder.glob(f"*.{ending}")]
            for path in sorted(found, key=lambda path: path.name, reverse=True):
                try:
                    save = read_save(path)
                except FileNotFoundError:  # it was sent just now, and has another name
                    break
                if save is not None:
                    return save
            else:
                return None

    def status(self) -> Status:
        with self._changed:
            size = sum(self._waiting.values())
            count = len(self._waiting)
            problem = self._problem or self._left_out
            return Status(count, size, self._sent, self._dropped, self._refused, problem)

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
            except OSError as error:  # what holds a file keeps it from being put aside
                outcome = _Outcome(f"{self._path(number, 'save').name}: {error}", is_unread=True)
                self._note(number, outcome)
            except Exception as error:  # must not end all saving: it is shown, and tried again
                outcome = _Outcome(f"{type(error).__name__}: {error}")
                self._problem = outcome.problem
            if outcome.is_unread and self._ready():
                continue
            tries = 0 if outcome.is_sent or outcome.is_final else tries + 1
            if tries:
                self._pause(outcome, tries)

    def _next(self) -> int | None:
        """The oldest that waits; None once there is nothing more to do here."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            if self._is_closed:
                return None
            if not self._ready():
                self._unread.clear()
            self._sending = min(self._ready())
            return self._sending

    def _ready(self) -> set[int]:
        with self._changed:
            return self._waiting.keys() - self._unread

    def _note(self, number: int, outcome: _Outcome) -> None:
        path = self._path(number, "save")
        with self._changed:
            self._sending, self._problem = -1, outcome.problem
            if outcome.is_unread:
                self._unread.add(number)
            if not (outcome.is_sent or outcome.is_final):
                return
            ending = "sent" if outcome.is_sent else "refused"
            _moved(path, self._path(number, ending))
            self._forget(number)
            self._refused += not outcome.is_sent
            self._sent += outcome.is_sent
            if outcome.left_out is not None:
                self._left_out = outcome.left_out
            self._changed.notify_all()
            self._keep(ending, 1 if outcome.is_sent else REFUSED_MAX)

    def _forget(self, number: int) -> None:
        for known in (self._waiting, self._kinds, self._mismatches):
            known.pop(number, None)
        self._unread.discard(number)

    def _pause(self, outcome: _Outcome, tries: int) -> None:
        first_s, most_s = self._backoff_s
        # With chance in it: of a hundred games that lost one node not all come at once.
        usual_s = min(most_s, first_s * 2 ** min(tries - 1, 30)) * random.uniform(0.5, 1.0)
        with self._changed:
            self._changed.wait_for(
                # Of one that cannot be read the others know nothing.
                lambda: self._is_hurried() or (outcome.is_unread and self._ready()),
                usual_s if outcome.after_s is None else outcome.after_s,
            )
            self._hurries = False

    def _is_hurried(self) -> bool:
        return self._is_closed or self._hurries

    def _send(self, number: int) -> _Outcome:
        path = self._path(number, "save")
        try:
            save = read_save(path)
        except FileNotFoundError:
            return _Outcome(f"{path.name} is not there any more", is_final=True)
        except OSError as error:
            return _Outcome(f"{path.name} cannot be read now: {error}", is_unread=True)
        if save is None:
            return _Outcome(f"{path.name} is damaged", is_final=True)
        try:
            url, token = self._address()
        except (OSError, ValueError) as error:
            return _Outcome(str(error) or type(error).__name__)
        try:
            outcome = self._try(number, save, url, token)
            if save.event is None or not (outcome.is_final or outcome.is_of_event):
                return outcome
            # The state is worth more than what is told of it.
            bare = replace(save, event=None, key=f"{save.key}-bare")
            without = self._try(number, bare, url, token)
        except _Unread as error:
            return _Outcome(f"{path.name} cannot be read now: {error}", is_unread=True)
        except (OSError, http.client.HTTPException) as error:
            said = str(error) or type(error).__name__
            return _Outcome(f"the node at {url} does not answer: {said}")
        if not without.is_sent:
            return without
        return replace(without, left_out=_left_out(save.tick, outcome.problem))

    def _try(self, number: int, save: Save, url: str, token: str) -> _Outcome:
        """Raises `_Unread`, and of the network `OSError` or `HTTPException`."""
        status, answer, after_s = _post(save, url, token, self._universe)
        said = str(answer.get("detail") or answer.get("error") or f"status {status}")
        code = str(answer.get("code", ""))
        if 200 <= status < 300 and answer.get("success") is True:
            return _Outcome(is_sent=True, left_out=None if save.event is None else "")
        if status < 300:  # what says yes to everything has kept nothing
            return _Outcome(f"what answers at {url} is no node: {said}", after_s=self._blocked_s)
        if code == UNKNOWN and save.at_ms >= 0:  # an older node
            return self._try(number, replace(save, at_ms=-1), url, token)
        if status in (401, 403):
            return _Outcome(f"the node does not take this token: {said}", after_s=self._blocked_s)
        if status == 404:
            # Of one that was deleted the node says how it comes back: no other takes its place.
            if code.startswith("unknown-") and " deleted" not in said:
                said += f"; make it: panspermia universe create NAME --id {self._universe}"
            return _Outcome(said, after_s=self._blocked_s)
        is_final = status in FINAL and code not in AGAIN
        if code == MISMATCH:
            self._mismatches[number] = self._mismatches.get(number, 0) + 1
            is_final = self._mismatches[number] >= MISMATCHES_MAX
        if is_final:
            return _Outcome(f"the node will not take a save: {said}", is_final=True)
        problem = f"the node does not take it now: {said}"
        return _Outcome(problem, after_s=after_s, is_of_event=code in FULL)

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
        """The newest; of what was refused, and is lost now, those that were whole are counted."""
        for number, _ in sorted(self._files(ending))[:-count]:
            path = self._path(number, ending)
            with suppress(OSError):  # one that cannot be read now is looked at another time
                is_lost = ending == "refused" and read_save(path) is not None
                path.unlink()
                self._dropped += is_lost

    def _may_go(self, number: int) -> bool:
        """Whether it is an automatic one, or damaged. One that cannot be read now may be none."""
        if number not in self._kinds:
            try:
                save = read_save(self._path(number, "save"))
            except OSError:
                return False
            self._kinds[number] = "auto" if save is None else save.kind
        return self._kinds[number] == "auto"

    def _make_room(self, newest: int) -> None:
        """The oldest automatic ones go first; what is being sent stays, and so does the newest."""
        kept = {newest, self._sending}
        while len(self._waiting) > self._waiting_max or (
            sum(self._waiting.values()) > self._waiting_bytes_max
        ):
            others = sorted(self._waiting.keys() - kept)
            if not others:
                return
            number = next(filter(self._may_go, others), others[0])
            try:
                self._path(number, "save").unlink(missing_ok=True)
            except OSError:  # another program has it open
                kept.add(number)
                continue
            self._forget(number)
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
    """(status, answer, Retry-After). Raises `_Unread`, `OSError` or `HTTPException`."""
    place = urlsplit(url)
    query: dict[str, Any] = {"tick": save.tick, "type": save.kind}
    if 0 <= save.at_ms <= TIME_MS_MAX:
        query["made_ms"] = save.at_ms
    if save.day is not None:
        query["day"] = save.day
    if save.event is not None:
        query["event"] = _event_text(save.event)
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
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered by then
            connection.request("POST", f"{path}?{urlencode(query)}", _pieces(save.path), headers)
        answer = connection.getresponse()
        said = _object(answer.read(ANSWER_BYTES_MAX), answer.status)
        after = answer.headers.get("Retry-After", "")
        return answer.status, said, float(after) if after.isdecimal() and len(after) <= 6 else None
    finally:
        connection.close()


def _pieces(path: Path) -> Iterator[bytes]:
    """Of a state. Raises `_Unread`: what the disk says is not what the network says."""
    try:
        with path.open("rb") as file:
            file.readline(HEAD_BYTES_MAX)
            while piece := file.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        raise _Unread(str(error)) from error


def _object(said: bytes, status: int) -> dict[str, Any]:
    """The JSON object that it is; of anything else its beginning, as `detail`."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return cast("dict[str, Any]", found)
    text = " ".join(said[:200].decode(errors="replace").split())
    return {"detail": f"status {status}: {text}"} if text else {}


def _event_text(event: dict[str, Any]) -> str:
    text = json.dumps(event, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a character
        return json.dumps(event)
    return text


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and 0 <= number < 1 << 63


def _too_long(event: dict[str, Any] | None) -> str:
    """Why no node takes it, as far as its length says; else ""."""
    if event is None:
        return ""
    text = _event_text(event)
    description = str(event.get("description") or "").encode(errors="replace")
    for what, size, most in (
        ("its description has {} bytes", len(description), DESCRIPTION_BYTES_MAX),
        ("it has {} characters as JSON", len(text), EVENT_CHARACTERS_MAX),
        ("it has {} bytes in an address", len(quote_plus(text)), EVENT_BYTES_MAX),
    ):
        if size > most:
            return f"{what.format(f'{size:,}')}, at most {most:,}"
    return ""


def _left_out(tick: int, why: str) -> str:
    return f"the event of tick {tick} was left out, and its state saved without it: {why}"


def read_save(path: Path) -> Save | None:
    """None for what is whole no more. Raises `OSError` for what cannot be read just now."""
    with path.open("rb") as file:
        line = file.readline(HEAD_BYTES_MAX)
        size = os.fstat(file.fileno()).st_size
    try:
        save = Save(path=path, **json.loads(line))
        return save if size == len(line) + save.size else None
    except (ValueError, TypeError, RecursionError):
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
