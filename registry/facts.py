"""What search can keep to, beside words and tags: exports, imports, licence, format, size, fitness.

```
exports hash                        a name, of any kind
exports function hash               and what it is
exports hash(i32, i32) -> i32       and its type; of a global, `exports count: i64`
exports function *                  anything of that kind
imports env.memory                  what a module needs from outside
imports env.*                       anything of that module
imports -                           nothing at all: it runs anywhere
```
Of a module its latest version is meant. Types of imports are in no signed statement.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from registry.errors import InvalidFilter, quoted
from registry.listed import Capability
from registry.spdx import licenses_of
from storage.facts import Facts
from storage.listing import Listing

FILTER_CHARACTERS_MAX: Final = 256
EXPORT_KINDS: Final = ("function", "table", "memory", "global", "tag")
NOTHING: Final = "-"
MODULE_DOTS_MAX: Final = 8

_SIGNATURE: Final = re.compile(r"\s*\(([^()]*)\)\s*->\s*(\([^()]*\)|[^()\s,]+)$")
_SPOKEN: Final = {"func": "function"}
"""As some write it."""


class _Version(msgspec.Struct, frozen=True):
    version: str
    wasm_size: int = 0
    capabilities: tuple[Capability, ...] = ()
    imports: tuple[str, ...] = ()


class _Fields(msgspec.Struct, frozen=True):
    """What the kinds have in common, as far as they have it."""

    license: str = ""
    format: str = ""
    size: int | None = None
    fitness_score: float | None = None
    latest_version: str = ""
    versions: tuple[_Version, ...] = ()


_DECODER: Final = msgspec.json.Decoder(_Fields)


def facts_of(listing: Listing) -> Facts:
    """Of any kind; nothing where its fields are of other types than here."""
    try:
        fields = _DECODER.decode(listing.fields)
    except msgspec.MsgspecError:
        return Facts()
    size, terms = fields.size, tuple[str, ...]()
    for version in fields.versions:
        if version.version == fields.latest_version:
            terms = tuple(dict.fromkeys(_terms(version)))
            size = version.wasm_size
    return Facts(terms, licenses_of(fields.license), fields.format, size, fields.fitness_score)


def export_term(text: str) -> str:
    """How `Facts.terms` say what `text` asks for. Raises `InvalidFilter`."""
    kind, name, type = _asked(text, "exports")
    if type and kind not in (None, "function"):
        raise InvalidFilter(f"exports {quoted(text)}: only functions have a type of that form")
    if name == "*":
        if kind is None:
            kinds = ", ".join(EXPORT_KINDS)
            raise InvalidFilter(f"exports *: say which kind, `KIND *` with one of {kinds}")
        return f"exports {kind} *"
    if "*" in name:
        raise InvalidFilter(f"exports {quoted(text)}: names are looked for whole, without *")
    return f"exports {name}{type}" if type else f"exports {f'{kind} ' if kind else ''}{name}"


def import_term(text: str) -> str:
    """As `export_term`: `MODULE.NAME`, `MODULE.*`, or `-` for what imports nothing."""
    _, name, type = _asked(text, "imports")
    if type:
        raise InvalidFilter(f"imports {quoted(text)}: the types of imports are not recorded")
    if name == NOTHING:
        return "imports -"
    if "*" in name[:-1] or (name.endswith("*") and not name.endswith(".*")):
        raise InvalidFilter(f"imports {quoted(text)}: a * stands for a whole name, as in env.*")
    if "." not in name:
        raise InvalidFilter(f"imports {quoted(text)}: write MODULE.NAME, MODULE.* or -")
    return f"imports {name}"


def _asked(text: str, what: str) -> tuple[str | None, str, str]:
    """(kind, name, type)"""
    text = text.strip()
    if not text or len(text) > FILTER_CHARACTERS_MAX:
        detail = f"{what}: a filter has 1 to {FILTER_CHARACTERS_MAX} characters"
        raise InvalidFilter(detail)
    name, type = text, ""
    if found := _SIGNATURE.search(text):
        name, type = text[: found.start()].rstrip(), _type(found[1], found[2])
    first, space, rest = name.partition(" ")
    kind = _SPOKEN.get(first, first)
    if space and kind in EXPORT_KINDS and rest.strip():
        return kind, rest.strip(), type
    return None, name, type


def _type(params: str, results: str) -> str:
    """As `FunctionType` writes it, whatever the spaces were."""
    given = ", ".join(_parts(params))
    if not results.startswith("("):
        return f"({given}) -> {results}"
    back = _parts(results[1:-1])
    return f"({given}) -> {back[0]}" if len(back) == 1 else f"({given}) -> ({', '.join(back)})"


def _parts(text: str) -> list[str]:
    return [part for each in text.split(",") if (part := each.strip())]


def _modules(name: str) -> Iterator[str]:
    """What may be the module's part of `module.name`: either may have dots of its own."""
    parts = name.split(".")
    for count in range(1, min(len(parts), MODULE_DOTS_MAX + 1)):
        if module := ".".join(parts[:count]):
            yield module


def _terms(version: _Version) -> Iterator[str]:
    for export in version.capabilities:
        kind = _SPOKEN.get(export.kind, export.kind)
        yield f"exports {export.name}"
        yield f"exports {kind} {export.name}"
        yield f"exports {kind} *"
        if export.signature.startswith("("):
            yield f"exports {export.name}{export.signature}"
        elif export.signature:
            yield f"exports {export.name}: {export.signature}"
    for name in version.imports:
        yield f"imports {name}"
        yield from (f"imports {module}.*" for module in _modules(name))
    if not version.imports:
        yield f"imports {NOTHING}"
