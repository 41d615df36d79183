"""Worlds of other programs, in and out: bytes and listings in, values out."""

from universe.formats.ai_village import plan_ai_village
from universe.formats.imported import (
    REFUSED,
    About,
    Content,
    Files,
    ForkOf,
    ImportedPassage,
    ImportedPlayer,
    ImportedSnapshot,
    ImportedUniverse,
    Listing,
    LyingFile,
    Plan,
    Problem,
    Report,
    Source,
    StoredWorld,
    WorldFormat,
)
from universe.formats.planning import plan
from universe.formats.primordium import plan_primordium, world_folders
from universe.formats.savefile import is_savefile, plan_savefiles

__all__ = [
    "REFUSED",
    "About",
    "Content",
    "Files",
    "ForkOf",
    "ImportedPassage",
    "ImportedPlayer",
    "ImportedSnapshot",
    "ImportedUniverse",
    "Listing",
    "LyingFile",
    "Plan",
    "Problem",
    "Report",
    "Source",
    "StoredWorld",
    "WorldFormat",
    "is_savefile",
    "plan",
    "plan_ai_village",
    "plan_primordium",
    "plan_savefiles",
    "world_folders",
]
