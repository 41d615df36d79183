"""What every publication says of itself, whatever its kind.

```
head  name, description, license, readme | card, created_us, updated_us     texts; µs since 1970
tags  {tag: nonce}                                                          see `Editor.add_tag`
```
Modules keep a `readme`, and say when they changed in their versions; all other kinds keep a `card`,
Markdown as well, and `updated_us`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from crdt.document import Editor, Scalar
from registry.errors import InvalidRecord, MalformedRecord, Problem, quoted
from registry.fields import (
    TIME_US_MAX,
    Plain,
    line_at,
    map_at,
    text_at,
    time_at,
    unsafe_line,
)
from registry.manifest import (
    DESCRIPTION_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
)
from registry.spdx import EXPRESSION_CHARACTERS_MAX, license_problem
from registry.wasm.names import unsafe

CARD_BYTES_MAX: Final = 20 * 1024
"""Of a readme or a card: one change of 64 KiB holds it beside what else a kind says."""

CardKey: TypeAlias = Literal["readme", "card"]


@dataclass(frozen=True, slots=True)
class Head:
    """`tags` sorted; times in µs since 1970."""

    name: str
    description: str
    license: str
    card: str
    tags: tuple[str, ...]
    created_us: int
    updated_us: int


@dataclass(frozen=True, slots=True)
class Words:
    """What an author writes about a thing. None keeps what is there; "" and () empty it."""

    name: str | None
    description: str | None = ""
    license: str | None = ""
    card: str | None = None
    tags: tuple[str, ...] | None = ()
    created_us: int | None = None
    """When it was made, µs since 1970, of what was made elsewhere before; None: now."""


def head_of(value: Plain, card: CardKey = "card") -> Head:
    """Raises `MalformedRecord` only. Of what keeps a readme, `updated_us` is `created_us`."""
    head = map_at(value, "head")
    created_us = time_at(head, "created_us")
    updated_us = time_at(head, "updated_us") if card == "card" else created_us
    return Head(
        name=line_at(head, "name", NAME_CHARACTERS_MAX),
        description=line_at(head, "description", DESCRIPTION_CHARACTERS_MAX),
        license=line_at(head, "license", EXPRESSION_CHARACTERS_MAX),
        card=text_at(head, card, CARD_BYTES_MAX),
        tags=tags_of(map_at(value, "tags")),
        created_us=created_us,
        updated_us=max(created_us, updated_us),
    )


def tags_of(tags: Plain) -> tuple[str, ...]:
    for tag in tags:
        if len(tag) > TAG_CHARACTERS_MAX or unsafe(tag):
            raise MalformedRecord(f"a tag {quoted(tag)}")
    return tuple(sorted(tags)[:TAGS_MAX])


def check_words(words: Words) -> None:
    """Raises `InvalidRecord` that names every field which readers would refuse."""
    problems = [
        *_line_problems("name", words.name or "", NAME_CHARACTERS_MAX),
        *_line_problems("description", words.description or "", DESCRIPTION_CHARACTERS_MAX),
    ]
    if words.license and (problem := license_problem(words.license)):
        problems.append(Problem("/license", problem))
    if (size := len((words.card or "").encode(errors="replace"))) > CARD_BYTES_MAX:
        problems.append(Problem("/card", f"{size} bytes, at most {CARD_BYTES_MAX}"))
    if words.created_us is not None and not 0 <= words.created_us <= TIME_US_MAX:
        problems.append(Problem("/createdAt", f"is {words.created_us} µs since 1970"))
    tags = words.tags or ()
    if len(tags) > TAGS_MAX:
        problems.append(Problem("/tags", f"{len(tags)} tags, at most {TAGS_MAX}"))
    for place, tag in enumerate(tags[:TAGS_MAX]):
        if not tag:
            problems.append(Problem(f"/tags/{place}", "is empty"))
        problems += _line_problems(f"tags/{place}", tag, TAG_CHARACTERS_MAX)
    refuse(problems)


def line_problem(text: str, characters_max: int) -> str | None:
    """Why readers would refuse this line, or None."""
    if len(text) > characters_max:
        return f"{len(text)} characters, at most {characters_max}"
    return unsafe_line(text)


def refuse(problems: list[Problem]) -> None:
    """Raises `InvalidRecord` where there is anything to refuse."""
    if problems:
        raise InvalidRecord(tuple(problems))


def put_head(editor: Editor, words: Words, *, now_us: int, card: CardKey = "card") -> bool:
    """Let the head and the tags say this; what does so already stays. Whether anything changed.

    `updated_us` of a card is the caller's to put, once all of the edit is known: `touch`. When it
    was made is said once, and moves to an earlier time alone: no later word makes it younger.
    """
    before = editor.get(("head", "created_us"))
    made_us = now_us if words.created_us is None else min(words.created_us, now_us)
    is_earlier = words.created_us is not None and isinstance(before, int) and made_us < before
    head: dict[str, Scalar] = {
        "name": words.name,
        "description": words.description,
        "license": words.license,
        card: words.card,
        "created_us": made_us if before is None or is_earlier else None,
    }
    is_changed = put_all(editor, "head", head)
    if words.tags is None:
        return is_changed
    return put_tags(editor, words.tags, now_us) or is_changed


def touch(editor: Editor, now_us: int) -> None:
    """It changed just now. The time never goes back, whatever the clock does."""
    before = editor.get(("head", "updated_us"))
    later = before + 1 if isinstance(before, int) and before >= now_us else now_us
    editor.put(("head", "updated_us"), min(later, TIME_US_MAX))


def put_all(editor: Editor, root: str, values: Mapping[str, Scalar]) -> bool:
    """Put each value that is another than what stands there; None is left alone."""
    is_changed = False
    for key, value in values.items():
        if value is not None and editor.get((root, key)) != value:
            editor.put((root, key), value)
            is_changed = True
    return is_changed


def put_tags(editor: Editor, tags: tuple[str, ...], now_us: int) -> bool:
    """These and no others. Whether anything changed."""
    known = editor.keys(("tags",))
    for tag in tags:
        if tag not in known:
            editor.add_tag(("tags",), tag, now_us)
    for tag in known:
        if tag not in tags:
            editor.delete(("tags", tag))
    return set(known) != set(tags)


def _line_problems(where: str, text: str, characters_max: int) -> list[Problem]:
    problem = line_problem(text, characters_max)
    return [Problem(f"/{where}", problem)] if problem else []
