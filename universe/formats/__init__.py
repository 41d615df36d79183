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
    WorldFormat,
)
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
    "WorldFormat",
    "is_savefile",
    "plan_ai_village",
    "plan_savefiles",
]
