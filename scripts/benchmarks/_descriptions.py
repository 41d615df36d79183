"""Real descriptions of packages: those that this machine's package lists hold, none kept here.

Debian's lists, as `apt-cache dumpavail` gives them, have 63,666 packages with one line each and,
for half of them, tags that people gave. Where more are wanted they come again under other names.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from registry.manifest import (
    DESCRIPTION_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
)

COMMAND: Final = ("apt-cache", "dumpavail")
PACKAGES_MIN: Final = 1_000
"""Of fewer, as where the lists were deleted, nothing can be learned."""


@dataclass(frozen=True, slots=True)
class Text:
    """What somebody wrote about a package. `id` is the last part of one."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...]


def read_texts(count: int) -> Sequence[Text]:
    """`count` of them, those of other names after all others; none where the lists are not here."""
    if shutil.which(COMMAND[0]) is None:
        return ()
    told = subprocess.run(COMMAND, capture_output=True, check=False).stdout
    known = {text.id: text for text in _texts(told.decode(errors="replace"))}
    if len(known) < PACKAGES_MIN:
        return ()
    return [*islice(_again([*known.values()]), count)]


def _again(texts: Sequence[Text]) -> Iterator[Text]:
    yield from texts
    number = 2
    while True:
        for text in texts:
            name = f"{text.name[: NAME_CHARACTERS_MAX - 4]} {number}"
            yield Text(f"again{number}.{text.id}", name, text.description, text.tags)
        number += 1


def _texts(lists: str) -> Iterator[Text]:
    for package in lists.split("\n\n"):
        fields = dict(
            re.findall(r"^(Package|Section|Description|Tag): (.*(?:\n .*)*)", package, re.MULTILINE)
        )
        name = fields.get("Package", "")[:NAME_CHARACTERS_MAX]
        id = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
        if not id:
            continue
        given = fields.get("Tag") or fields.get("Section", "").rpartition("/")[2]
        tags = sorted({tag.strip()[:TAG_CHARACTERS_MAX] for tag in given.split(",")} - {""})
        description = " ".join(fields.get("Description", "").split())
        yield Text(id, name, description[:DESCRIPTION_CHARACTERS_MAX], tuple(tags[:TAGS_MAX]))
