"""`universe export`: a universe as files that another program opens, or byte for byte.

Files are written anew and never over others; a timeline or index comes last, when all that it names
is there.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import click
from blake3 import blake3

from node.client import path_of, with_query
from node.commands.console import node, print_json, say, wants_json
from node.commands.files import unwritable
from node.commands.progress import Progress
from node.exit_codes import UNVERIFIED
from node.failure import Failure, Json, failed, failure
from node.text import printable, size_text

if TYPE_CHECKING:
    from universe.event import Event
    from universe.formats.out import Laid, OutSnapshot, OutUniverse, Written

DOWNLOAD_TIMEOUT_S: Final = 600.0
FORMATS: Final = ("ai-village", "savefile", "primordium", "raw")
LISTED_MAX: Final = 10_000
HEAD_BYTES: Final = 4_096


@click.command("export")
@click.argument("universe", metavar="ID")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", "format", type=click.Choice(FORMATS), default="raw", show_default=True)
def export_command(universe: str, folder: Path, format: str) -> None:
    """Write universe ID into DIR as files, which `universe import` reads again.

    `ai-village`: the folder of such a server; `savefile`: one SaveFile for each snapshot;
    `primordium`: a save.json and a database of states; `raw`: each snapshot byte for byte, and
    an index.
    """
    exporting = Exporting(out_of(universe), universe, folder, format)
    exporting.go()
    report = exporting.report()
    if wants_json():
        return print_json("universe", report)
    count = f"{report['written']:,} snapshots"
    say(f"wrote {count}, {size_text(report['bytes'])}, to {printable(str(folder))}")
    for one in report["left"]:
        say(printable(f"left out: tick {one['tick']}: {one['reason']}"), dim=True, err=True)


def out_of(universe: str) -> OutUniverse:
    """What the node knows of it. Raises `Failure`."""
    from universe.formats.imported import ForkOf
    from universe.formats.out import OutUniverse

    meta = node().get(path_of("/api/universe", universe))["universe"]
    snapshots: list[OutSnapshot] = []
    cursor: str | None = None
    while True:
        query = {"limit": LISTED_MAX, "cursor": cursor}
        page = node().get(path_of("/api/universe", universe, "snapshots"), query)
        snapshots += map(snapshot_of, page["snapshots"])
        cursor = page["next"]
        if cursor is None:
            break
    fork = meta.get("forkOf")
    config = meta.get("config")
    return OutUniverse(
        id=meta["id"],
        name=meta["name"],
        snapshots=tuple(snapshots),
        events=tuple(dict.fromkeys(one.event for one in snapshots if one.event)),
        owner=meta["ownerId"],
        created_us=meta["createdAt"] * 1_000,
        is_public=meta["isPublic"],
        config=json_text(config) if config else "",
        fork_of=ForkOf(fork["universeId"], fork["snapshotTick"]) if fork else None,
    )


def json_text(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def snapshot_of(entry: dict[str, Any]) -> OutSnapshot:
    from universe.formats.out import OutSnapshot

    at_us = entry["timestamp"] * 1_000
    told = entry.get("canonEvent")
    return OutSnapshot(
        id=entry["id"],
        tick=entry["tick"],
        kind=entry["type"],
        at_us=at_us,
        media=entry["media"],
        day=entry["day"] or None,
        event=event_of(told, entry["tick"], at_us) if told else None,
        size=entry["fileSize"],
        checksum=entry["checksum"],
    )


def event_of(told: dict[str, Any], tick: int, at_us: int) -> Event:
    from universe.event import Event

    return Event(
        tick=tick,
        at_us=at_us,
        type=told["type"],
        title=told["title"],
        description=told.get("description", ""),
        day=int(told.get("day") or 0) or None,
        importance=int(told.get("importance", 0)),
        entities=tuple(told.get("entities") or ()),
        souls=tuple(told.get("souls") or ()),
        parents=tuple(told.get("parents") or ()),
    )


@dataclass(slots=True)
class Exporting:
    universe: OutUniverse
    named: str
    """As the person named it, for the node."""
    folder: Path
    format: str
    written: dict[str, Written] = field(default_factory=dict[str, "Written"])
    left: list[Json] = field(default_factory=list[Json])
    size_bytes: int = 0

    def go(self) -> None:
        """Raises `Failure`, where a file is there already too."""
        from universe.formats.imported import WorldFormat
        from universe.formats.out import laid_out, small_files

        format, is_escaped = WorldFormat(self.format), os.name == "nt"
        laid, left = laid_out(self.universe, format, is_escaped=is_escaped)
        for one in left:
            self._leave(one, f"{one.media} there has no place in this format: see --format raw")
        for each in laid:
            self._refuse_if_there(self.folder / each.path)
        there: list[Laid] = []
        self._write_rows([each for each in laid if each.is_row])
        with Progress() as bars:
            for number, each in enumerate(laid, 1):
                if each.is_row or self._write(each):
                    there.append(each)
                bars.show({"id": self.universe.id, "done": number, "total": len(laid)})
        files = small_files(self.universe, format, there, self.written, is_escaped=is_escaped)
        for path, data in files.items():
            place = self.folder / path
            self._refuse_if_there(place)
            with self._new(place) as file:
                file.write(data)

    def report(self) -> dict[str, Any]:
        return {
            "id": self.universe.id,
            "format": self.format,
            "folder": str(self.folder),
            "written": len(self.written),
            "bytes": self.size_bytes,
            "left": self.left,
        }

    def _write_rows(self, rows: Sequence[Laid]) -> None:
        """Those of the one database, as far as there are any. Raises `Failure`."""
        from storage.world_table import new_world_table
        from universe.formats.out import Written

        if not rows:
            return
        place = self.folder / rows[0].path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with new_world_table(place) as table:
                for one in rows:
                    snapshot = one.snapshot
                    with table.state(snapshot.tick, snapshot.size) as blob:
                        sink = Sink(cast("IO[bytes]", blob), lambda _: (b"", b""))
                        self._fetch(snapshot, sink)
                    self.written[snapshot.id] = Written(snapshot.size, sink.sha256)
                    self.size_bytes += snapshot.size
        except OSError as error:
            raise unwritable(place, error) from error
        except Failure:
            place.unlink(missing_ok=True)
            raise

    def _fetch(self, one: OutSnapshot, sink: Sink) -> None:
        """Its bytes, which are those that were signed. Raises `Failure`."""
        start = path_of("/api/universe", self.named, "snapshot", str(one.tick))
        path = with_query(start, {"snapshot": one.id, "raw": "true"})
        node().download(path, cast("IO[bytes]", sink), unheard, DOWNLOAD_TIMEOUT_S)
        sink.finish()
        if sink.checksum != one.checksum:
            detail = f"the bytes of snapshot {one.id} are not those that were signed"
            raise failure("verification-failed", "Something else came", detail, UNVERIFIED)

    def _write(self, one: Laid) -> bool:
        """Whether the format has a place for it, which its first bytes say. Raises `Failure`."""
        from universe.formats.out import Written

        place = self.folder / one.path
        try:
            with self._new(place) as file:
                target: IO[bytes] = file
                if one.is_packed:
                    target = cast("IO[bytes]", gzip.GzipFile("", "wb", 6, file, mtime=0))
                sink = Sink(target, self._around(one.snapshot))
                self._fetch(one.snapshot, sink)
                if one.is_packed:
                    target.close()
        except OSError as error:
            raise unwritable(place, error) from error
        except Failure:
            place.unlink(missing_ok=True)
            raise
        if sink.has_no_place:
            place.unlink()
            self._leave(one.snapshot, "is no SaveFile and no part of one: see --format raw")
            return False
        size = place.stat().st_size
        self.written[one.snapshot.id] = Written(size, sink.sha256)
        self.size_bytes += size
        return True

    def _around(self, one: OutSnapshot) -> Callable[[bytes], tuple[bytes, bytes] | None]:
        from universe.formats.out import around

        if self.format == "savefile":
            return lambda head: around(self.universe, one, head)
        return lambda _: (b"", b"")

    def _new(self, place: Path) -> IO[bytes]:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            return place.open("xb")
        except OSError as error:
            raise unwritable(place, error) from error

    def _refuse_if_there(self, place: Path) -> None:
        if os.path.lexists(place):
            detail = f"{printable(str(place))}: name a folder where it is not there"
            raise failed("file-exists", "The file is there already", detail)

    def _leave(self, one: OutSnapshot, reason: str) -> None:
        self.left.append({"id": one.id, "tick": one.tick, "reason": reason})


class Sink:
    """Takes the bytes of a state in order, and writes them with what belongs around them."""

    def __init__(
        self, target: IO[bytes], around: Callable[[bytes], tuple[bytes, bytes] | None]
    ) -> None:
        self._target, self._around = target, around
        self._head: bytes | None = b""
        self._behind = b""
        self._blake3, self._sha256 = blake3(), hashlib.sha256()
        self.has_no_place = False

    @property
    def checksum(self) -> str:
        return self._blake3.hexdigest()

    @property
    def sha256(self) -> bytes:
        return self._sha256.digest()

    def write(self, data: bytes) -> int:
        self._blake3.update(data)
        if self._head is not None:
            self._head += data
            if len(self._head) >= HEAD_BYTES:
                self._begin()
        else:
            self._put(data)
        return len(data)

    def finish(self) -> None:
        if self._head is not None:
            self._begin()
        self._put(self._behind)

    def _begin(self) -> None:
        head, self._head = self._head or b"", None
        found = self._around(head[:HEAD_BYTES])
        self.has_no_place = found is None
        before, self._behind = found or (b"", b"")
        self._put(before + head)

    def _put(self, data: bytes) -> None:
        if not self.has_no_place:
            self._sha256.update(data)
            self._target.write(data)


def unheard(_: int, __: int) -> None:
    """One state of many: all of them are one bar."""
