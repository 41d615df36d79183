"""Files that people name, as the items in them: whatever format, also those that are databases."""

from __future__ import annotations

from registry.formats import Format, Found, detect, read


def items_of(
    name: str, data: bytes, format: Format | None = None
) -> tuple[Format, tuple[Found, ...]]:
    """What the file is and what it holds; `format` where a person says what it is.

    May block for a while: a SQLite file is read in a child process. Raises `InvalidFile`.
    """
    known = format or detect(name, data)
    if known is Format.PRIMORDIUM_REGISTRY:
        from node.workers.tables import read_registry  # no other format needs a process

        return known, read_registry(data, name)
    return known, read(known, data, name)
