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
    "plan_ai_village",
]
