"""Notes beside the files of another program: what these have no place for, in a file of ours.

```
universes/<id>/panspermia.json     beside metadata.json, in the folder of an ai_village server
<id>.panspermia.json               beside SaveFiles
panspermia.json                    beside save.json, in the folder of a world of Primordium
    {"type": "panspermia.universe-notes/1", …}                              see `index`
```
Those programs open files by names of their own, and never this one. What it says of a state counts
where that lies under the name that it tells, with the bytes that it tells; else it is told. Of the
folder of a server, which goes on being played in, it says nothing that the server's files say.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from registry.formats.errors import InvalidFile
from universe.event import Event
from universe.formats.budget import Budget
from universe.formats.claims import Claims
from universe.formats.file_names import meant
from universe.formats.imported import (
    About,
    Files,
    ImportedPassage,
    ImportedPlayer,
    ImportedSnapshot,
    ImportedUniverse,
    Report,
)
from universe.formats.index import Index, Listed, Named, events_of, read_index, with_events
from universe.parts import EVENTS_MAX

NOTES: Final = "panspermia.json"
TYPE: Final = "panspermia.universe-notes/1"


def is_notes(path: str) -> bool:
    """By its name."""
    name = path.rpartition("/")[2]
    return name == NOTES or name.endswith(f".{NOTES}")


class Notes:
    """All that lie there, and which of what they say was found."""

    def __init__(self, files: Files, report: Report) -> None:
        self._report = report
        self.all: list[Index] = []
        self._listed: dict[tuple[str, str], list[tuple[Index, Listed]]] = {}
        self._ticks: dict[str, int] = {}
        self._seen: set[tuple[str, int]] = set()
        self._budget = Budget()
        for path in sorted(files.listing.files):
            if is_notes(path):
                self._read(files, path)

    def in_folder(self, folder: str) -> Index | None:
        """Those that lie right there, under no name of a universe."""
        path = f"{folder}/{NOTES}" if folder else NOTES
        return next((one for one in self.all if one.path == path), None)

    def tick_at(self, path: str) -> int | None:
        """What they say of the file of that name, whatever its bytes are."""
        return self._ticks.get(meant(path))

    def on(self, one: ImportedSnapshot) -> tuple[ImportedSnapshot, Index | None]:
        """The state that was found, with what is said of it; by which of them."""
        found = self._listed.get((meant(one.source.path), one.content.checksum.hex()), [])
        same = [each for each in found if each[1].tick == one.tick]
        if one.source.row is None:
            same = same or found  # its name may be all that says a tick
        if not same:
            return one, None
        index, listed = same[0]
        self._seen.add((index.path, listed.number))
        return listed.on(one), index

    def events(
        self, index: Index, snapshots: Sequence[ImportedSnapshot]
    ) -> tuple[tuple[Event, ...], Named]:
        """As `events_of`."""
        return events_of(index, snapshots, Claims({}, index.path, "", self._report))

    def of(self, index: Index, one: ImportedUniverse) -> ImportedUniverse:
        """A universe that was found, with all that is said of it."""
        events, named = self.events(index, one.snapshots)
        events = tuple(dict.fromkeys((*events, *one.events)))[:EVENTS_MAX]
        return replace(
            one,
            id=index.id,
            name=index.name,
            snapshots=with_events(one.snapshots, events),
            events=events,
            owner=index.owner,
            created_us=index.created_us or one.created_us,
            is_public=index.is_public,
            config=index.config,
            fork_of=index.fork_of,
            said=index.said,
            named=named,
        )

    def beside(self) -> tuple[list[ImportedPassage], list[ImportedPlayer]]:
        """Passages and players that they tell."""
        passages = [each for one in self.all for each in one.passages]
        return passages, [each for one in self.all for each in one.players]

    def tell(self) -> None:
        """Of states that are not there as they say."""
        for index in self.all:
            gone = [one for one in index.listed if (index.path, one.number) not in self._seen]
            if gone:
                reason = f"the state of tick {gone[0].tick} is not there as it was: {gone[0].file}"
                more = f", nor are {len(gone) - 1:,} others" if len(gone) > 1 else ""
                self._report.tell(About.MISSING, index.path, f"{reason}{more}")

    def _read(self, files: Files, path: str) -> None:
        try:
            fields = self._budget.object_of(files, path)
            told = Claims(fields, path, "", self._report)
            if fields.get("type") != TYPE:
                told.doubt("type", f"is not {TYPE}: nothing of it is taken", About.LEFT)
                return
            index = read_index(told)
            self._budget.spend(index)
        except InvalidFile as wrong:
            self._report.refuse(wrong)
            return
        self.all.append(index)
        folder = path.rpartition("/")[0]
        for listed in index.listed:
            file = f"{folder}/{listed.file}" if folder else listed.file
            key = (meant(file), listed.checksum)
            self._listed.setdefault(key, []).append((index, listed))
            self._ticks.setdefault(meant(file), listed.tick)
