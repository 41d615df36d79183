"""A universe as `universe export --format raw` writes it: an index, and each state byte for byte.

```
universe.json     {"type": "panspermia.universe-export/1", …}        see `index`
states/…          what the index names
```
A state that is `inherited` is the parent's, which the fork began with; `fork_of` has its sum.
"""

from typing import Final

from registry.formats.errors import InvalidFile, Place
from universe.formats.between import each_once
from universe.formats.budget import Budget
from universe.formats.claims import Claims
from universe.formats.file_names import path_below
from universe.formats.imported import (
    About,
    Files,
    ImportedPassage,
    ImportedPlayer,
    ImportedSnapshot,
    ImportedUniverse,
    Plan,
    Report,
    Source,
    WorldFormat,
)
from universe.formats.index import Index, Listed, events_of, read_index, with_events
from universe.formats.merging import once
from universe.formats.origins import with_origins
from universe.formats.taking import Contents

INDEX: Final = "universe.json"
TYPE: Final = "panspermia.universe-export/1"


def plan_raw(files: Files, folders: list[str]) -> Plan:
    """Each of the folders that holds an index; the rest is in the report."""
    report, budget, contents = Report(), Budget(), Contents(files)
    universes: dict[str, ImportedUniverse] = {}
    passages: list[ImportedPassage] = []
    players: list[ImportedPlayer] = []
    for path, why in files.listing.passed_over:
        report.tell(About.OUTSIDE, path, why)
    for folder in folders:
        path = f"{folder}/{INDEX}" if folder else INDEX
        try:
            told = Claims(budget.object_of(files, path), path, "", report)
            if told.fields.get("type") != TYPE:
                raise InvalidFile(path, told.at("type"), f"is not {TYPE}")
            index = read_index(told)
            budget.spend(index)
            one = _universe(contents, folder, index, told)
        except InvalidFile as wrong:
            report.refuse(wrong)
            continue
        if universes.setdefault(one.id, one) is not one:
            report.tell(About.SAME_ID, folder, f"another folder before it is {one.id} too")
            continue
        passages += index.passages
        players += index.players
    ordered = with_origins([*universes.values()], report)
    return Plan(WorldFormat.RAW, ordered, report, *each_once(passages, players, report))


def _universe(contents: Contents, folder: str, index: Index, told: Claims) -> ImportedUniverse:
    found: list[ImportedSnapshot] = []
    for listed in index.listed:
        try:
            found.append(_snapshot(contents, folder, index, listed))
        except InvalidFile as wrong:
            told.report.refuse(wrong)
    snapshots = once(found, told.report)
    events, named = events_of(index, snapshots, told)
    return ImportedUniverse(
        id=index.id,
        name=index.name,
        snapshots=with_events(snapshots, events),
        events=events,
        owner=index.owner,
        created_us=index.created_us,
        is_public=index.is_public,
        config=index.config,
        fork_of=index.fork_of,
        said=index.said,
        named=named,
    )


def _snapshot(contents: Contents, folder: str, index: Index, listed: Listed) -> ImportedSnapshot:
    """Raises `InvalidFile`."""
    pointer = f"/snapshots/{listed.number}"
    at_file = Place(pointer=f"{pointer}/file")
    path = path_below(folder, listed.file, index.path, at_file)
    if path not in contents.files.listing.files:
        raise InvalidFile(index.path, at_file, f"is not there: {listed.file}")
    content = contents.of(path)
    if listed.sha256 != content.sha256.hex():
        reason = f"{listed.sha256[:64]} is not that of {listed.file}: {content.sha256.hex()}"
        raise InvalidFile(index.path, Place(pointer=f"{pointer}/sha256"), reason)
    return listed.on(ImportedSnapshot(Source(path), content, listed.tick, listed.at_us))
