"""The data of an ai_village server: universes with their timelines, passages and players.

```
universes/<id>/     see `timelines`
passages/<id>.json, index.json
players/<id>/       profile.json, universes.json
planets/ …          what it keeps besides, which has no place here
```
Ids hold `:`, and folders are called after them, escaped or not: the id inside counts.
"""

from collections.abc import Sequence
from typing import Final

from registry.errors import InvalidName
from registry.formats.errors import InvalidFile, Place
from registry.manifest import NAME_CHARACTERS_MAX
from registry.plain import as_list
from universe.formats.between import each_once, passage_of, player_of
from universe.formats.budget import Budget
from universe.formats.claims import OWNER_CHARACTERS_MAX, Claims
from universe.formats.file_names import unescaped
from universe.formats.imported import (
    NOTHING_SAID,
    About,
    Files,
    ForkOf,
    ImportedPassage,
    ImportedPlayer,
    ImportedUniverse,
    Listing,
    Plan,
    Report,
    WorldFormat,
)
from universe.formats.index import Index
from universe.formats.limits import PART_BYTES_MAX
from universe.formats.notes import Notes
from universe.formats.origins import with_origins
from universe.formats.timelines import ENDINGS, SNAPSHOTS, TIMELINE, read_line
from universe.names import parse_new_id

METADATA: Final = "metadata.json"
UNIVERSES: Final = "universes"
PASSAGES: Final = "passages"
PLAYERS: Final = "players"
INDEX: Final = "index.json"
DELETED: Final = "[DELETED] "
"""The server keeps what was deleted, hidden, with this before its name."""


def universe_folders(listing: Listing) -> dict[str, list[str]]:
    """Folders that hold a universe, wherever they lie, each with its files of snapshots."""
    found: dict[str, list[str]] = {}
    lying: dict[str, list[str]] = {}
    for path in sorted(listing.files):
        folder, _, name = path.rpartition("/")
        if name == TIMELINE or (name == METADATA and _is_in_universes(folder)):
            found[folder] = []
        elif name.endswith(ENDINGS) and (parts := path.split("/")).count(SNAPSHOTS):
            above = "/".join(parts[: parts.index(SNAPSHOTS)])
            lying.setdefault(above, []).append(path)
    for above, paths in lying.items():
        if above in found or _is_in_universes(above):
            found[above] = paths
    return dict(sorted(found.items()))


def plan_ai_village(files: Files) -> Plan:
    """Whatever of it can be read; the rest is in the report."""
    report = Report()
    for path, why in files.listing.passed_over:
        report.tell(About.OUTSIDE, path, why)
    folders = universe_folders(files.listing)
    notes, budget = Notes(files, report), Budget()
    universes: dict[str, ImportedUniverse] = {}
    for folder in folders:
        try:
            one = read_universe(files, folder, folders[folder], notes, report, budget)
        except InvalidFile as wrong:
            report.refuse(wrong)
            continue
        if len(folders) > 1 and one.name.startswith(DELETED) and not one.is_public:
            reason = "its owner deleted it: it stays in the file; its folder alone is imported"
            report.tell(About.LEFT, folder, reason)
        elif one.id in universes:
            reason = f"another folder before it is {one.id} too: this one is left out"
            report.tell(About.SAME_ID, folder, reason)
        else:
            universes[one.id] = one
    notes.tell()
    roots = {_root_of(folder) for folder in folders}
    passages = [one for root in sorted(roots) for one in _passages(files, root, report, budget)]
    players = [one for root in sorted(roots) for one in _players(files, root, report, budget)]
    ordered = with_origins([*universes.values()], report)
    return Plan(WorldFormat.AI_VILLAGE, ordered, report, *each_once(passages, players, report))


def read_universe(
    files: Files,
    folder: str,
    lying: Sequence[str],
    notes: Notes,
    report: Report,
    budget: Budget,
) -> ImportedUniverse:
    """`lying` are its files of snapshots. Raises `InvalidFile` where nothing says a usable id."""
    path = f"{folder}/{METADATA}" if folder else METADATA
    claims = Claims({}, path, "", report)
    if path in files.listing.files:
        try:
            claims = Claims(budget.object_of(files, path, PART_BYTES_MAX), path, "", report)
        except InvalidFile as wrong:
            report.refuse(wrong)
    else:
        report.tell(About.MISSING, path, "is not there: the folder's name is all that is known")
    id = _id(claims, unescaped((folder or files.listing.name).rpartition("/")[2]))
    index = notes.in_folder(folder)
    line = read_line(files, folder, lying, notes, report, budget)
    canonical = sum(one.kind == "canonical" and not one.is_inherited for one in line.snapshots)
    for key, there in (
        ("snapshotCount", len(line.snapshots)),
        ("canonicalEventCount", canonical),
    ):
        if (told := claims.whole(key)) is not None and told != there:
            claims.doubt(key, f"says {told:,}, and {there:,} can be imported", About.COUNT)
    return ImportedUniverse(
        id=id,
        name=claims.exact("name", NAME_CHARACTERS_MAX) or id,
        snapshots=line.snapshots,
        events=line.events,
        owner=claims.exact("ownerId", OWNER_CHARACTERS_MAX),
        created_us=claims.time_us("createdAt"),
        is_public=claims.fields.get("isPublic") is True,
        config=claims.config("config"),
        fork_of=_fork_of(claims, index),
        said=NOTHING_SAID if index is None else index.said,
        named=line.named,
    )


def _id(claims: Claims, folder: str) -> str:
    """Raises `InvalidFile`."""
    told = claims.fields.get("id")
    for id in (told, folder):
        if id is None:
            continue
        try:
            found = parse_new_id(id if isinstance(id, str) else "")
        except InvalidName as wrong:
            if id is told:
                claims.doubt("id", wrong.detail)
            continue
        if found != folder:
            claims.doubt("id", f"is not what its folder is called: {folder}")
        return found
    raise InvalidFile(claims.file, Place(pointer="/id"), "no id that a universe may have")


def _fork_of(claims: Claims, index: Index | None) -> ForkOf | None:
    """Of that state which the notes have, where they say the same."""
    told = claims.inside("forkOf")
    if told is None:
        return None
    universe, tick = told.fields.get("universeId"), told.whole("snapshotTick")
    if not isinstance(universe, str) or tick is None:
        told.doubt("universeId", "says not of which universe and tick it is a fork")
        return None
    noted = None if index is None else index.fork_of
    if noted is not None and (noted.universe, noted.tick) == (universe, tick):
        return noted
    return ForkOf(universe, tick)


def _passages(files: Files, root: str, report: Report, budget: Budget) -> list[ImportedPassage]:
    below = _below(root, PASSAGES)
    found: list[ImportedPassage] = []
    for path in sorted(files.listing.files):
        name = path.removeprefix(below)
        if not path.startswith(below) or "/" in name or name == INDEX or not name.endswith(".json"):
            continue
        try:
            found.append(
                passage_of(Claims(budget.object_of(files, path, PART_BYTES_MAX), path, "", report))
            )
        except InvalidFile as wrong:
            report.refuse(wrong)
    return found


def _players(files: Files, root: str, report: Report, budget: Budget) -> list[ImportedPlayer]:
    below = _below(root, PLAYERS)
    found: list[ImportedPlayer] = []
    for path in sorted(files.listing.files):
        if not path.startswith(below) or not path.endswith("/profile.json"):
            continue
        folder = path.removesuffix("/profile.json")
        try:
            told = Claims(budget.object_of(files, path, PART_BYTES_MAX), path, "", report)
            universes = _universes_of(files, f"{folder}/universes.json", report, budget)
            found.append(player_of(told, universes, unescaped(folder.rpartition("/")[2])))
        except InvalidFile as wrong:
            report.refuse(wrong)
    return found


def _universes_of(files: Files, path: str, report: Report, budget: Budget) -> tuple[str, ...]:
    """What the player's own list names; a list that cannot be read takes no player with it."""
    if path not in files.listing.files:
        return ()
    try:
        listed = as_list(budget.object_of(files, path, PART_BYTES_MAX).get("universes"))
    except InvalidFile as wrong:
        report.refuse(wrong)
        return ()
    texts = [each for each in listed or () if isinstance(each, str)]
    if listed is None or len(texts) != len(listed):
        report.tell(About.CLAIM, path, "must be a list of texts", Place(pointer="/universes"))
    return tuple(dict.fromkeys(texts))


def _is_in_universes(folder: str) -> bool:
    return folder.rpartition("/")[0].rpartition("/")[2] == UNIVERSES


def _root_of(folder: str) -> str:
    """The folder in which `universes/`, `passages/` and `players/` lie; "" is the top."""
    return folder.rpartition("/")[0].rpartition("/")[0]


def _below(root: str, name: str) -> str:
    return f"{root}/{name}/" if root else f"{name}/"
