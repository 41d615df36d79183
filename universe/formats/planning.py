"""`plan`: what an import of a folder or file would make, by what lies there."""

from typing import Final

from registry.formats.errors import InvalidFile, Place
from universe.formats.ai_village import plan_ai_village, universe_folders
from universe.formats.imported import Files, Plan, WorldFormat
from universe.formats.notes import is_notes
from universe.formats.primordium import SQLITE, plan_primordium, world_folders
from universe.formats.raw import INDEX, TYPE, plan_raw
from universe.formats.savefile import is_savefile, plan_savefiles
from universe.formats.taking import head_of

HEAD_BYTES: Final = 4_096
SAVES_MAX: Final = 1_000
ENDINGS: Final = (".json", ".json.gz")

KNOWN: Final = (
    "the folder of an ai_village server (universes/…), a SaveFile, or a folder or save.json of"
    " Primordium; or what `universe export` wrote"
)


def plan(files: Files, format: WorldFormat | None = None) -> Plan:
    """`format`: what it is taken for, whatever it looks like. Raises `InvalidFile`."""
    listing = files.listing
    raw = [
        path.rpartition("/")[0]
        for path in sorted(listing.files)
        if path.rpartition("/")[2] == INDEX and TYPE.encode() in head_of(files, path, HEAD_BYTES)
    ]
    if format is WorldFormat.RAW or (format is None and raw):
        return plan_raw(files, raw)
    folders = universe_folders(listing)
    if format is WorldFormat.AI_VILLAGE or (format is None and folders):
        return plan_ai_village(files)
    saves = _saves(files, is_given=format is WorldFormat.SAVEFILE)
    if format is WorldFormat.SAVEFILE or (format is None and saves):
        return plan_savefiles(files, saves)
    worlds = world_folders(listing)
    if not worlds and len(listing.files) == 1:
        (path,) = listing.files
        if format is WorldFormat.PRIMORDIUM or _is_world(head_of(files, path, HEAD_BYTES)):
            worlds = {"": [path]}
    if worlds:
        return plan_primordium(files, worlds)
    if any(map(is_notes, listing.files)):  # of a universe that had no state yet
        return plan_savefiles(files, [])
    raise InvalidFile(listing.name, Place(), f"holds no world that is known: {KNOWN}")


def _saves(files: Files, *, is_given: bool) -> list[str]:
    """Files that begin as a SaveFile; of those that a person says are some, all that may be."""
    found: list[str] = []
    for path in sorted(files.listing.files):
        may_be = path.endswith(ENDINGS) or len(files.listing.files) == 1
        may_be = may_be and not is_notes(path)
        if may_be and (is_given or is_savefile(head_of(files, path, HEAD_BYTES))):
            found.append(path)
        if len(found) > SAVES_MAX:
            reason = f"holds more than {SAVES_MAX:,} SaveFiles; import the folders in it"
            raise InvalidFile(files.listing.name, Place(), reason)
    return found


def _is_world(head: bytes) -> bool:
    """Of one file, whatever it is called: Primordium's, by what it begins with."""
    return head.startswith(SQLITE) or (b'"world"' in head and b'"version"' in head)
