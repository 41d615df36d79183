"""What clients of the Galactic Federation send, made to fit.

Its registry takes any JSON object: a field of another type is as if it had not been sent, texts
have any length and hold anything, and what it does not know it does not read. So where such clients
need no token, a submission is cleaned before it is read: nothing that says something is thrown away
but what no record can hold. The bytes themselves (`genotype`, `content`) are never touched. Its
server does not refuse what is asked of a list either, nor does that of the multiverse: where their
clients are let in, and without a token, `limit` and `sort_by` are made to fit too. Other names, a
slip mostly, are left out with `compat` alone: where strangers are let in, not all who have no token
are such clients.

Two words of ours are no stranger's to say: `format`, which is told from the bytes, and `content`
beside the text that the original knows. A `namespace` stays, to be refused: what somebody meant for
a few is not published to all. An empty one says nothing.
"""

import contextlib
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, cast, get_args

import msgspec

from node.api.models import LIMIT_MAX, PLACE_CHARACTERS_MAX
from node.api.requests import Pairs
from registry.content import FILE_CHARACTERS_MAX, is_identity
from registry.genome import LINEAGE_CHARACTERS_MAX, PARENTS_MAX
from registry.head import CARD_BYTES_MAX
from registry.life import BY_CHARACTERS_MAX, COUNT_MAX, TICK_MAX
from registry.manifest import (
    DESCRIPTION_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
)
from registry.published import TAGS_JOINED_BY, tags_split
from registry.seed import SUMMARY_BYTES_MAX
from registry.spdx import license_problem
from registry.wasm.names import unsafe

EMPTY_CONFIG: Final = "{}"
"""What the original takes for the configuration of a seed that sends none."""
LOOKED_AT: Final = 8
"""So many times what is kept of a text, at most: one of megabytes holds up nobody."""
LIMIT_DIGITS_MAX: Final = 9
THEIRS_OF_LISTS: Final = frozenset({"limit", "sort_by"})
"""What the original's clients ask of any list."""
FOLDERS: Final = str.maketrans("/\\", "__")

Cleaner = Callable[[object], object]


def cleaned_genome(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a `NewGenome` has, as far as they say something."""
    return _with_one_content(_cleaned(given, OF_GENOMES), ("genotype",))


def cleaned_seed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a `NewSeed` has, as far as they say something."""
    fields = _with_one_content(_cleaned(given, OF_SEEDS), ("config", "config_json"))
    if not any(fields.get(name) for name in ("config", "config_json", "content")):
        fields["config"] = EMPTY_CONFIG
    return fields


def cleaned_list(given: Pairs, kind: type[msgspec.Struct], *, has_any_name: bool) -> Pairs:
    """What is asked of a list, as `kind` has it.

    The original's server gives one whatever `limit` and `sort_by` are, and whatever else it does
    not know: with `has_any_name` that is left out. What only ours knows, as `cursor`, is strict.
    """
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    made_to_fit = THEIRS_OF_LISTS | (known & {"sort"})
    theirs = {name: value for name, value in given if name in made_to_fit}
    fitting = [
        (name, value)
        for name, value in given
        if name not in made_to_fit and (name in known or not has_any_name)
    ]
    if "limit" in known and (limit := _limit(theirs.get("limit", ""), _most(kind))):
        fitting.append(("limit", limit))
    for name in {"sort", "sort_by"} & known & theirs.keys():
        with contextlib.suppress(msgspec.ValidationError):
            msgspec.convert({name: theirs[name]}, kind)
            fitting.append((name, theirs[name]))
    return fitting


def _limit(text: str, most: int) -> str:
    """Within what a page holds; "" where it is no number."""
    if not text.isascii() or not text.isdecimal():
        return ""
    return str(min(max(int(text[:LIMIT_DIGITS_MAX]), 1), most))


@cache
def _most(kind: type[msgspec.Struct]) -> int:
    """What a page of this list holds."""
    (limit,) = (one for one in msgspec.structs.fields(kind) if one.encode_name == "limit")
    bounds = (one.le for one in get_args(limit.type) if isinstance(one, msgspec.Meta))
    return int(next((bound for bound in bounds if bound is not None), LIMIT_MAX))


def _with_one_content(fields: dict[str, Any], texts: tuple[str, ...]) -> dict[str, Any]:
    """Of several that could be the bytes, the first that the original knows."""
    given = [name for name in (*texts, "content") if fields.get(name)]
    return {name: value for name, value in fields.items() if name not in given[1:]}


def _cleaned(given: Mapping[str, Any], cleaners: Mapping[str, Cleaner]) -> dict[str, Any]:
    fields = {name: clean(given[name]) for name, clean in cleaners.items() if name in given}
    return {name: value for name, value in fields.items() if value is not None}


def line(characters_max: int) -> Cleaner:
    """One line that shows what it is, cut where it is too long."""

    def clean(value: object) -> str | None:
        return one_line(value, characters_max) if isinstance(value, str) else None

    return clean


def one_line(text: str, characters_max: int) -> str:
    """Line ends and tabs are spaces; what shows nothing, or turns a line around, is left out."""
    spaced = " ".join(text.lstrip()[: LOOKED_AT * characters_max].split())
    if unsafe(spaced.replace("..", "")):
        spaced = "".join(each for each in spaced if not unsafe(each))
    return spaced[:characters_max].strip()


def paragraphs(bytes_max: int) -> Cleaner:
    def clean(value: object) -> str | None:
        if not isinstance(value, str):
            return None
        return value[:bytes_max].encode(errors="replace")[:bytes_max].decode(errors="ignore")

    return clean


def whole(most: int) -> Cleaner:
    """0 to `most`, whatever was counted; a number with a point in it is rounded down."""

    def clean(value: object) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return min(max(int(value), 0), most)

    return clean


def real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def tags(value: object) -> tuple[str, ...] | None:
    """Of a text with commas, or of a list."""
    if isinstance(value, list):
        some = cast("list[object]", value)[: LOOKED_AT * TAGS_MAX]
        value = TAGS_JOINED_BY.join(each for each in some if isinstance(each, str))
    if not isinstance(value, str):
        return None
    split = tags_split(value[: LOOKED_AT * TAGS_MAX * TAG_CHARACTERS_MAX])
    lines = (one_line(tag, TAG_CHARACTERS_MAX) for tag in split)
    return tuple(dict.fromkeys(tag for tag in lines if tag and not unsafe(tag)))[:TAGS_MAX]


def licence(value: object) -> str | None:
    return value if isinstance(value, str) and not license_problem(value) else None


def identities(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    some = cast("list[object]", value)[: LOOKED_AT * PARENTS_MAX]
    return tuple(each for each in some if isinstance(each, str) and is_identity(each))[:PARENTS_MAX]


def file_name(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return one_line(value, FILE_CHARACTERS_MAX).translate(FOLDERS)


def text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def as_it_is(value: object) -> object:
    return value


def area(value: object) -> str | None:
    """One that is longer than names may be is cut, to be refused as others are."""
    return (text(value) or "")[:PLACE_CHARACTERS_MAX] or None


def settings(value: object) -> str | None:
    """A configuration that was sent as an object rather than as its text."""
    if isinstance(value, dict) and value:
        return msgspec.json.encode(value).decode()
    return value if isinstance(value, str) else None


def flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


OF_ALL: Final[Mapping[str, Cleaner]] = {
    "author": line(BY_CHARACTERS_MAX),
    "name": line(NAME_CHARACTERS_MAX),
    "description": line(DESCRIPTION_CHARACTERS_MAX),
    "tags": tags,
    "license": licence,
    "card": paragraphs(CARD_BYTES_MAX),
    "content": text,
    "file": file_name,
    "namespace": area,
    "dry_run": flag,
    "only_new": flag,
}
OF_GENOMES: Final[Mapping[str, Cleaner]] = {
    **OF_ALL,
    "genotype": text,
    "lineage_id": line(LINEAGE_CHARACTERS_MAX),
    "fitness_score": real,
    "offspring_count": whole(COUNT_MAX),
    "tick": whole(TICK_MAX),
    "parents": identities,
}
OF_SEEDS: Final[Mapping[str, Cleaner]] = {
    **OF_ALL,
    "config": settings,
    "config_json": settings,
    "avg_tick_time": real,
    "max_pop": whole(COUNT_MAX),
    "performance_summary": paragraphs(SUMMARY_BYTES_MAX),
}
