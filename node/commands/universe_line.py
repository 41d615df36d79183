"""A timeline on a terminal: a line for each entry, the oldest first.

```
       100  ●  autosave
       400  ◆  a union      Two by two · ann, bob
            ┊  23 autosaves up to tick 880
       900  ◇  born         Cain                        ● ◆ can be opened and forked, ◇ cannot
       950  →  left         fox · bob/universe:reef
```
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from node.commands.petnames import Petnames
from node.failure import Json
from node.text import printable, size_text

SOME: Final = 3
"""As many autosaves in a row are each shown."""
NAMES_SHOWN: Final = 4
TRAVELS: Final = {"departure": "→", "arrival": "←", "refusal": "×", "return": "←"}
"""Of `passage:…`."""
Line = tuple[str, dict[str, Any]]


def draw_timeline(entries: Sequence[Json], called: Petnames, *, is_whole: bool) -> Iterator[Line]:
    """Lines and their styles. `is_whole`: each autosave has its own."""
    width = max(len(f"{one['tick']:,}") for one in entries)
    word_width = max(len(one["word"]) for one in entries)
    at = 0
    while at < len(entries):
        end = at
        while end < len(entries) and entries[end]["type"] == "auto" and "event" not in entries[end]:
            end += 1
        if not is_whole and end - at > SOME:
            yield _line(entries[at], width, word_width, called)
            between = end - at - 2
            upto = f"{entries[end - 2]['tick']:,}"
            yield f"{'':>{width}}  ┊  {between:,} autosaves up to tick {upto}", {"dim": True}
            at = end - 1
        yield _line(entries[at], width, word_width, called)
        at += 1


def _line(one: Json, width: int, word_width: int, called: Petnames) -> Line:
    kind = str(one["type"]).removeprefix("passage:")
    is_event, is_travel = "event" in one, "other" in one
    if is_travel:
        mark = TRAVELS.get(kind, "·")
        said = [*map(printable, one["souls"]), printable(called.universe(one["other"]))]
        said += [printable(one["description"])] if one["description"] else []
    else:
        mark = ("◆" if one["hasSnapshot"] else "◇") if is_event else "●"
        said = [printable(one["title"])] if is_event and one["title"] != one["word"] else []
    names = [printable(name) for name in one.get("entities", ())]
    if names:
        more = ", …" if len(names) > NAMES_SHOWN else ""
        said.append(", ".join(names[:NAMES_SHOWN]) + more)
    if not is_event and not is_travel:
        said.append(size_text(one["fileSize"]))
    word = printable(one["word"])
    line = f"{one['tick']:>{width},}  {mark}  {word:<{word_width}}  {' · '.join(said)}".rstrip()
    if is_event or one["type"] == "canonical":
        return line, {"fg": "yellow"}
    if is_travel:
        return line, {"fg": "cyan"}
    return line, {"bold": True} if one["type"] == "fork" else {}
