"""`universe export`: universes as files that another program opens, or byte for byte.

Files are written anew and never over others, all or none; a timeline or index comes last, when all
that it names is there.
"""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import click

from node.client import path_of, with_query
from node.commands.console import node, print_result, say, wants_json
from node.commands.new_files import NewFiles
from node.commands.progress import Progress
from node.commands.universe_outgoing import Outgoing, outgoing
from node.commands.universe_sink import Sink
from node.exit_codes import UNVERIFIED
from node.failure import Json, failed, failure
from node.text import printable, size_text

if TYPE_CHECKING:
    from universe.formats.imported import WorldFormat
    from universe.formats.leaving import Laid, OutSnapshot, Written

DOWNLOAD_TIMEOUT_S: Final = 600.0
FORMATS: Final = ("ai-village", "savefile", "primordium", "raw")
TRIED_MAX: Final = 64
"""States of JSON that are fetched to see whether one is a save of Primordium, the newest first."""


@click.command("export")
@click.argument("universes", metavar="ID...", nargs=-1, required=True)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", "format", type=click.Choice(FORMATS), default="raw", show_default=True)
@click.pass_context
def export_command(
    ctx: click.Context, universes: tuple[str, ...], folder: Path, format: str
) -> None:
    """Write universes into DIR as files, which `universe import` reads again.

    `ai-village`: the folder of such a server; `savefile`: one SaveFile for each snapshot;
    `primordium`: a save.json and a database of states; `raw`: each snapshot byte for byte, and
    an index. What a program has no place for stands beside it in panspermia.json, which it passes
    over. Passages between the universes and the players whose they are go along. Of several, each
    gets a folder in DIR, but for `ai-village`. Where all snapshots are left out, it ends with 1.
    """
    from universe.formats.imported import WorldFormat

    outs, passages = outgoing(list(universes))
    done = export_all(outs, folder, WorldFormat(format))
    report: dict[str, Any] = {
        "id": outs[0].universe.id,
        "ids": [one.universe.id for one in outs],
        "format": format,
        "folder": str(folder),
        "written": sum(len(one.written) for one in done),
        "bytes": sum(one.size_bytes for one in done),
        "left": [each for one in done for each in one.left],
        "events_left": sum(one.events_left for one in done),
        "passages_left": [
            {"id": one.id, "source": one.source, "target": one.target} for one in passages
        ],
    }
    if saves := [one.save for one in done if one.save is not None]:
        report["saves"] = saves
    if wants_json():
        print_result("universe", report)
    else:
        _say_written(report, folder)
    if report["left"] and not report["written"]:
        ctx.exit(1)


def _say_written(report: dict[str, Any], folder: Path) -> None:
    count = f"{report['written']:,} snapshot{'' if report['written'] == 1 else 's'}"
    say(f"wrote {count}, {size_text(report['bytes'])}, to {printable(str(folder))}")
    for one in report.get("saves", ()):
        say(printable(_save_line(one)))
    for one in report["left"]:
        say(printable(f"left out: tick {one['tick']}: {one['reason']}"), dim=True, err=True)
    if events := report["events_left"]:
        some = "event" if events == 1 else "events"
        why = "no snapshot was taken for: they stand in panspermia.json alone"
        say(f"{events:,} {some} that {why}", dim=True, err=True)
    for one in report["passages_left"]:
        why = f"{one['source']} to {one['target']}: name both universes to write it too"
        say(printable(f"left out: passage {one['id']}, {why}"), dim=True, err=True)


def _save_line(one: Json) -> str:
    """Which state the save of Primordium is, or why none."""
    if one["snapshot"] is not None:
        return f"save.json of {one['universe']}: the state of tick {one['tick']}"
    count = one["states"]
    if not count:
        return f"no save.json of {one['universe']}: it has no state of JSON"
    none = "its one state of JSON is none" if count == 1 else f"of {count:,} states none is one"
    return f"no save.json of {one['universe']}: {none}"


def export_all(outs: Sequence[Outgoing], folder: Path, format: WorldFormat) -> list[Exporting]:
    """Raises `Failure`, where a file is there already too, and leaves nothing behind then."""
    from universe.formats.imported import WorldFormat
    from universe.formats.server import server_files

    is_escaped = os.name == "nt"
    beside: dict[str, bytes] = {}
    if format is WorldFormat.AI_VILLAGE:
        check_ids(outs)
        universes = [one.universe for one in outs]
        beside = server_files(universes, is_escaped=is_escaped)
    has_folders = len(outs) > 1 and format is not WorldFormat.AI_VILLAGE
    tops = tops_of(outs, is_escaped=is_escaped)
    with NewFiles(folder) as files, Progress() as bars:
        exporting: list[Exporting] = []
        for one in outs:
            top = f"{tops[one.name]}/" if has_folders else ""
            exporting.append(Exporting(one, format, files, top, is_escaped))
        for path in beside:
            files.check(path)
        for each in exporting:
            each.plan()
        for each in exporting:
            each.go(bars)
        if left := [one for each in exporting for one in each.left]:
            check_any(exporting, left)
        for path, data in beside.items():
            files.write(path, data)
    return exporting


def check_ids(outs: Sequence[Outgoing]) -> None:
    """Raises `Failure` where two authors call a universe alike: a server has one of an id."""
    same = Counter(one.universe.id for one in outs)
    if twice := [id for id, count in same.items() if count > 1]:
        detail = f"Several are {', '.join(twice)}: write each into a folder of its own"
        raise failed("same-universe-id", "A server has one universe of an id", detail)


def tops_of(outs: Sequence[Outgoing], *, is_escaped: bool) -> dict[str, str]:
    """Of several universes the folder of each, by their full names: two authors may call one alike.

    Then with the end of its author's did:key.
    """
    from universe.formats.out import folder_of

    folders = {one.name: folder_of(one.universe.id, is_escaped) for one in outs}
    same = Counter(folders.values())

    def apart(name: str, folder: str) -> str:
        return f"{folder}-{name.partition('/')[0][-8:]}" if same[folder] > 1 else folder

    return {name: apart(name, folder) for name, folder in folders.items()}


def check_any(exporting: Sequence[Exporting], left: Sequence[Json]) -> None:
    """Raises `Failure` where nothing of all that is there has a place in the format."""
    if not any(each.written for each in exporting):
        some = "the one snapshot" if len(left) == 1 else f"any of the {len(left):,} snapshots"
        detail = f"{exporting[0].format} has no place for {some} there: see --format raw"
        raise failed("nothing-exported", "Nothing was written", detail, left=[*left])


@dataclass(slots=True)
class Exporting:
    """One universe on its way out; `top`: what its paths begin with."""

    out: Outgoing
    format: WorldFormat
    files: NewFiles
    top: str
    is_escaped: bool
    laid: tuple[Laid, ...] = ()
    written: dict[str, Written] = field(default_factory=dict[str, "Written"])
    left: list[Json] = field(default_factory=list[Json])
    size_bytes: int = 0
    heard: Callable[[int, int], None] = field(default=lambda done, total: None)
    """How far one state is, in bytes."""

    @property
    def save(self) -> Json | None:
        """What became of the save of Primordium; None where the format is another."""
        from universe.formats.imported import WorldFormat

        if self.format is not WorldFormat.PRIMORDIUM:
            return None
        saves = [each.snapshot for each in self.laid if not each.is_row]
        taken = next((one for one in saves if one.id in self.written), None)
        return {
            "universe": self.out.universe.id,
            "snapshot": taken and taken.id,
            "tick": taken and taken.tick,
            "states": len(saves),
        }

    @property
    def events_left(self) -> int:
        """Those for which the format has no place, which stand in our notes alone."""
        from universe.formats.imported import WorldFormat

        universe = self.out.universe
        if self.format is WorldFormat.RAW:
            return 0
        taken = {one.event for one in universe.snapshots}
        return sum(event not in taken for event in universe.events) + len(universe.named)

    def plan(self) -> None:
        """Raises `Failure` where a state's file is there already."""
        from universe.formats.imported import BINARY_MEDIA
        from universe.formats.out import laid_out

        self.laid, left = laid_out(self.out.universe, self.format, is_escaped=self.is_escaped)
        rows = {each.snapshot.tick for each in self.laid if each.is_row}
        for one in left:
            why = f"{one.media} there has no place in this format"
            if one.tick in rows and one.media.startswith(BINARY_MEDIA):
                why = "a newer state of this tick is in the database"
            self._leave(one, why)
        for path in dict.fromkeys(each.path for each in self.laid):
            self.files.check(self.top + path)

    def go(self, bars: Progress) -> None:
        """Raises `Failure`."""
        from universe.formats.out import small_files

        places: dict[str, list[Laid]] = {}
        for each in self.laid:
            if not each.is_row:
                places.setdefault(each.path, []).append(each)
        there = [each for each in self.laid if each.is_row]
        done = sum(each.snapshot.size for each in there)
        total = done + sum(some[0].snapshot.size for some in places.values())

        def heard(of_this: int, _: int) -> None:
            of = {"stage": "write", "id": self.out.universe.id}
            bars.show({**of, "done": done + of_this, "total": max(total, done + of_this)})

        self.heard = heard
        self._write_rows(there)
        for some in places.values():
            if (one := self._write_first(some)) is not None:
                there.append(one)
            done += some[0].snapshot.size
        files = small_files(
            self.out.universe, self.format, there, self.written, is_escaped=self.is_escaped
        )
        for path, data in files.items():
            self.files.write(self.top + path, data)

    def _write_first(self, some: Sequence[Laid]) -> Laid | None:
        """Of those that may be in one place the first for which it is one. Raises `Failure`."""
        for number, one in enumerate(some[:TRIED_MAX], 1):
            if self._write(one):
                for each in some[number:]:
                    why = f"{one.name} is the newer state of tick {one.snapshot.tick}"
                    self._leave(each.snapshot, why)
                return one
        for each in some[TRIED_MAX:]:
            why = f"the {TRIED_MAX} states that are newer are none for {each.name}"
            self._leave(each.snapshot, f"is not looked at, as {why}")
        return None

    def _write_rows(self, rows: Sequence[Laid]) -> None:
        """Those of the one database, as far as there are any. Raises `Failure`."""
        from storage.world_table import new_world_table
        from universe.formats.leaving import Written

        if not rows:
            return
        with self.files.place(self.top + rows[0].path) as place, new_world_table(place) as table:
            for one in rows:
                snapshot = one.snapshot
                with table.state(snapshot.tick, snapshot.size) as blob:
                    sink = Sink(cast("IO[bytes]", blob), lambda _: (b"", b""))
                    self._fetch(snapshot, sink)
                self.written[snapshot.id] = Written(snapshot.size, sink.sha256)
                self.size_bytes += snapshot.size

    def _fetch(self, one: OutSnapshot, sink: Sink) -> None:
        """Its bytes, which are those that were signed. Raises `Failure`."""
        start = path_of("/api/universe", self.out.name, "snapshot", str(one.tick))
        path = with_query(start, {"snapshot": one.id, "raw": "true"})
        node().download(path, cast("IO[bytes]", sink), self.heard, DOWNLOAD_TIMEOUT_S)
        sink.finish()
        if sink.checksum != one.checksum:
            detail = f"the bytes of snapshot {one.id} are not those that were signed"
            raise failure("verification-failed", "Something else came", detail, UNVERIFIED)

    def _write(self, one: Laid) -> bool:
        """Whether the format has a place for it, which its bytes say. Raises `Failure`."""
        from universe.formats.imported import WorldFormat
        from universe.formats.leaving import Written
        from universe.formats.limits import SAVE_BYTES_MAX

        path = self.top + one.path
        if self.format is WorldFormat.PRIMORDIUM and one.snapshot.size > SAVE_BYTES_MAX:
            why = f"more than {SAVE_BYTES_MAX:,} bytes, which is no save.json"
            self._leave(one.snapshot, why)
            return False
        with self.files.file(path) as file:
            target: IO[bytes] = file
            if one.is_packed:
                target = cast("IO[bytes]", gzip.GzipFile("", "wb", 6, file, mtime=0))
            sink = Sink(target, self._around(one.snapshot))
            self._fetch(one.snapshot, sink)
            if one.is_packed:
                target.close()
        if (why_not := self._why_not(path, sink)) is not None:
            self.files.leave_out(path)
            self._leave(one.snapshot, why_not)
            return False
        size = self.files.size(path)
        self.written[one.snapshot.id] = Written(size, sink.sha256)
        self.size_bytes += size
        return True

    def _why_not(self, path: str, sink: Sink) -> str | None:
        """Of a state that was written, why it belongs into no file of the format."""
        from universe.formats.imported import WorldFormat
        from universe.formats.primordium import is_save

        if sink.has_no_place:
            return "is no SaveFile and no part of one"
        if self.format is not WorldFormat.PRIMORDIUM:
            return None
        return None if is_save(self.files.read(path)) else "is no save.json: it has no world tick"

    def _around(self, one: OutSnapshot) -> Callable[[bytes], tuple[bytes, bytes] | None]:
        from universe.formats.imported import WorldFormat
        from universe.formats.out import around

        if self.format is WorldFormat.SAVEFILE:
            return lambda head: around(self.out.universe, one, head)
        return lambda _: (b"", b"")

    def _leave(self, one: OutSnapshot, why: str) -> None:
        reason = f"{why}: see --format raw"
        self.left.append({"id": one.id, "tick": one.tick, "reason": reason})
