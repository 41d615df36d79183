"""gen.toml: what an author says of a module before it is published.

```toml
[module]
id = "io.univrs.user"            # reverse domain, unique per author
name = "user"                    # default: the id's last part
version = "1.2.0"
description = "…"
license = "MIT"                  # an SPDX expression
tags = ["identity"]
wasm = "user.wasm"               # beside gen.toml or below it
readme = "README.md"
[dependencies]
"io.univrs.clock" = "^1.0"       # the same author's; "did:key:…/id" or "petname/id" another's
"alice/org.example.dice" = { version = "1.x", optional = true }
[capabilities]
imports = ["env.memory", "wasi_snapshot_preview1.*"]
```
All that is wrong is reported at once, each with its key and, where it is found, its line.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from registry.errors import InvalidManifest, InvalidRange, Problem, RegistryError, quoted
from registry.names import Reference, parse_id, parse_reference
from registry.plain import as_list, as_map
from registry.ranges import parse_range
from registry.spdx import license_problem
from registry.toml import Lines, NotToml, did_you_mean, load
from registry.versions import Version, parse_version
from registry.wasm.allowlist import parse_allowlist
from registry.wasm.errors import BadPattern
from registry.wasm.names import unsafe

MANIFEST_BYTES_MAX = 256 * 1024
NAME_CHARACTERS_MAX = 64
DESCRIPTION_CHARACTERS_MAX = 1_000  # a paragraph; the readme has the rest
TAG_CHARACTERS_MAX = 32
TAGS_MAX = 16
PATH_CHARACTERS_MAX = 255
PROBLEMS_MAX = 32  # more in one file is no typing error but another file
DEPENDENCIES_MAX = 128  # keeps the signed statement of a release under its bound

TABLES: dict[str, tuple[str, ...]] = {
    "module": (
        "id",
        "name",
        "version",
        "description",
        "license",
        "tags",
        "wasm",
        "readme",
    ),
    "dependencies": (),  # any id
    "capabilities": ("imports",),
}
DEPENDENCY_KEYS = ("version", "optional")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Dependency:
    """A module this one needs: as written, petname and all."""

    reference: Reference
    range: str
    is_optional: bool = False
    line: int | None = field(default=None, compare=False)
    """Where gen.toml says so, if it was found."""

    @property
    def pointer(self) -> str:
        return _pointer(("dependencies", str(self.reference)))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A gen.toml without fault. Paths are relative, with forward slashes, inside the folder."""

    id: str
    name: str
    version: Version
    description: str
    license: str
    tags: tuple[str, ...]
    wasm: str
    readme: str | None
    dependencies: tuple[Dependency, ...]
    imports: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def parse_manifest(text: str) -> Manifest:
    """Raises `InvalidManifest` with every problem found."""
    if len(text) > MANIFEST_BYTES_MAX or len(text.encode(errors="replace")) > MANIFEST_BYTES_MAX:
        raise InvalidManifest((Problem("", f"more than {MANIFEST_BYTES_MAX} bytes"),))
    try:
        document = load(text)
    except NotToml as error:
        raise InvalidManifest((Problem("", error.detail, error.line),)) from error
    return _Reader(text, document).manifest()


class _Reader:
    """Takes the document apart, collecting problems instead of stopping at the first."""

    def __init__(self, text: str, document: dict[str, Any]) -> None:
        self._lines = Lines(text)
        self._problems: list[Problem] = []
        self._warnings: list[str] = []
        self._check_keys(document, (), tuple(TABLES))
        self._tables = {name: self._table(document, name) for name in TABLES}

    def manifest(self) -> Manifest:
        id = self._needed("id", parse_id)
        version = self._needed("version", parse_version)
        wasm = self._needed("wasm", _path)
        name = self._optional("name", _name)
        description = self._optional("description", _description)
        license = self._optional("license", _license)
        readme = self._optional("readme", _path)
        tags, imports = self._tags(), self._imports()
        dependencies = self._dependencies(id)
        if self._problems or id is None or version is None or wasm is None:
            raise InvalidManifest(tuple(self._problems))
        if not license:
            self._warnings.append("no license: others may not know whether they may use it")
        if not description:
            self._warnings.append("no description: search finds it by its name and tags only")
        return Manifest(
            id=id,
            name=name or id.rpartition(".")[2],
            version=version,
            description=description or "",
            license=license or "",
            tags=tags,
            wasm=wasm,
            readme=readme,
            dependencies=dependencies,
            imports=imports,
            warnings=tuple(self._warnings),
        )

    def _fault(self, path: tuple[str, ...], detail: str) -> None:
        self._problems.append(Problem(_pointer(path), detail, self._lines.of(path)))
        if len(self._problems) >= PROBLEMS_MAX:
            raise InvalidManifest(tuple(self._problems))

    def _check_keys(
        self, table: dict[str, Any], path: tuple[str, ...], known: tuple[str, ...]
    ) -> None:
        for key in table:
            if key not in known:
                self._fault((*path, key), f"unknown key{did_you_mean(key, known)}")

    def _table(self, document: dict[str, Any], name: str) -> dict[str, Any]:
        table = as_map(document.get(name, {}))
        if table is None:
            self._fault((name,), "must be a table")
            return {}
        if TABLES[name]:
            self._check_keys(table, (name,), TABLES[name])
        return table

    def _needed(self, key: str, parse: Callable[[str], Value]) -> Value | None:
        if key not in self._tables["module"]:
            self._fault(("module", key), "is needed")
            return None
        return self._optional(key, parse)

    def _optional(self, key: str, parse: Callable[[str], Value]) -> Value | None:
        if key not in self._tables["module"]:
            return None
        return self._parsed(("module", key), self._tables["module"][key], parse)

    def _parsed(
        self, path: tuple[str, ...], value: object, parse: Callable[[str], Value]
    ) -> Value | None:
        if not isinstance(value, str):
            self._fault(path, f"must be a text, not {_kind(value)}")
            return None
        try:
            return parse(value)
        except (RegistryError, _Fault) as error:
            self._fault(path, error.detail)
            return None

    def _texts(self, path: tuple[str, str]) -> list[str]:
        found = as_list(self._tables[path[0]].get(path[1], []))
        if found is None or not all(isinstance(each, str) for each in found):
            self._fault(path, "must be a list of texts")
            return []
        return found

    def _tags(self) -> tuple[str, ...]:
        path = ("module", "tags")
        tags = [self._parsed(path, tag, _tag) for tag in self._texts(path)]
        if len(tags) > TAGS_MAX:
            self._fault(path, f"{len(tags)} tags, at most {TAGS_MAX}")
        return tuple(dict.fromkeys(tag for tag in tags if tag))

    def _imports(self) -> tuple[str, ...]:
        path = ("capabilities", "imports")
        patterns = self._texts(path)
        try:
            parse_allowlist(patterns)
        except BadPattern as error:
            self._fault(path, error.detail)
        return tuple(dict.fromkeys(patterns))

    def _dependencies(self, own_id: str | None) -> tuple[Dependency, ...]:
        table = self._tables["dependencies"]
        if len(table) > DEPENDENCIES_MAX:
            self._fault(("dependencies",), f"{len(table)} of them, at most {DEPENDENCIES_MAX}")
            return ()
        found = [self._dependency(name, value) for name, value in table.items()]
        for each in found:
            if each and each.reference == Reference(None, own_id or ""):
                self._fault(("dependencies", each.reference.id), "a module cannot need itself")
        return tuple(each for each in found if each)

    def _dependency(self, name: str, value: object) -> Dependency | None:
        path = ("dependencies", name)
        optional: object = False
        table = as_map(value)
        if table and "." not in name:  # `io.univrs.clock = "1"` is a table in tables for TOML
            self._fault(path, 'write the id in quotes: "org.example.clock" = "^1.0"')
            return None
        if table is not None:
            self._check_keys(table, path, DEPENDENCY_KEYS)
            optional = table.get("optional", False)
            value = table.get("version", "*")
        if not isinstance(optional, bool):
            self._fault((*path, "optional"), "must be true or false")
            return None
        reference = self._parsed(path, name, parse_reference)
        range = self._parsed(path, value, _range)
        if reference is None or range is None:
            return None
        return Dependency(reference, range, optional, self._lines.of(path))


class _Fault(Exception):
    """A value that its key does not take."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def _range(text: str) -> str:
    if parse_range(text).is_empty:
        raise InvalidRange(f"{quoted(text)} takes no version at all")
    return text.strip() or "*"


def _name(text: str) -> str:
    return _line(text.strip(), NAME_CHARACTERS_MAX)


def _description(text: str) -> str:
    return _line(" ".join(text.split()), DESCRIPTION_CHARACTERS_MAX)


def _tag(text: str) -> str:
    tag = _line(text.strip().lower(), TAG_CHARACTERS_MAX)
    if not tag or any(character in tag for character in " /,"):
        raise _Fault(f"{quoted(text)} is no tag: one word, without / or comma")
    return tag


def _line(text: str, characters_max: int) -> str:
    if len(text) > characters_max:
        raise _Fault(f"{len(text)} characters, at most {characters_max}")
    if reason := unsafe(text.replace("..", "")):  # dots are no path in prose
        raise _Fault(reason)
    return text


def _license(text: str) -> str:
    if problem := license_problem(text):
        raise _Fault(problem)
    return text


def _path(text: str) -> str:
    """A file beside gen.toml or below it, the same on every system."""
    if not text or len(text) > PATH_CHARACTERS_MAX:
        raise _Fault(f"a path has 1 to {PATH_CHARACTERS_MAX} characters")
    if text.startswith("/") or ":" in text or "\\" in text:
        raise _Fault(f"{quoted(text)} must be relative to this folder, with / between names")
    if ".." in text.split("/"):
        raise _Fault(f"{quoted(text)} leaves the folder")
    if reason := unsafe(text):
        raise _Fault(reason)
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if not parts or text.endswith("/"):
        raise _Fault(f"{quoted(text)} is no file")
    return "/".join(parts)


def _kind(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date"


def _pointer(path: tuple[str, ...]) -> str:
    """RFC 6901."""
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path)
