"""panspermia.lock: which versions, byte for byte, so that everybody installs the same.

```toml
version = 1

[requirements]
"did:key:…/io.univrs.user" = "^1.2"

[[package]]
id = "did:key:…/io.univrs.user"
version = "1.2.0"
sha256 = "…"
blob = "…"
author = "did:key:…"

[package.dependencies]
"did:key:…/io.univrs.clock" = "^1.0"
```
Sorted throughout and without a date, so the same resolution is the same bytes, and two branches
conflict only where they differ.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from registry.errors import InvalidLock, RegistryError
from registry.names import parse_module_name
from registry.plain import as_list
from registry.ranges import parse_range
from registry.toml import Lines, NotToml, load, quote
from registry.versions import Version, parse_version

LOCK_BYTES_MAX = 4 << 20  # 1,000 packages of 10 dependencies take 1 MB
FORMAT = 1
FORMATS_MAX = 1_000  # a number beyond it is no format, and may be too long to print
PACKAGES_MAX = 10_000  # as many modules as a resolution may draw in

_CONFLICT = re.compile(r"^(?:<{7}|\|{7}|={7}|>{7})(?: |$)", re.MULTILINE)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


class LockedPackage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of one module. `id` is its full name, hashes are hex."""

    id: str
    version: str
    sha256: str
    blob: str
    author: str
    dependencies: dict[str, str] = {}


class Lock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was asked for, and what that came to. Make it by `lock_of` or `check_lock`: sorted."""

    version: int = FORMAT
    requirements: dict[str, str] = {}
    packages: tuple[LockedPackage, ...] = ()

    def versions(self) -> dict[str, Version]:
        """For `resolve(locked=…)`."""
        return {each.id: parse_version(each.version) for each in self.packages}


def lock_of(requirements: Mapping[str, str], packages: tuple[LockedPackage, ...]) -> Lock:
    """The same lock for the same content, in whatever order it came."""
    return Lock(
        requirements=dict(sorted(requirements.items())),
        packages=tuple(
            msgspec.structs.replace(each, dependencies=dict(sorted(each.dependencies.items())))
            for each in sorted(packages, key=lambda each: each.id)
        ),
    )


def check_lock(lock: Lock) -> Lock:
    """A lock from outside, checked and sorted. Raises `InvalidLock` without a line."""
    if lock.version != FORMAT:
        raise InvalidLock(f"lock format {lock.version}; this program reads {FORMAT}")
    ids = [each.id for each in lock.packages]
    if len(set(ids)) != len(ids):
        raise InvalidLock("a package stands twice")
    try:
        _check_ranges(lock.requirements)
        for each in lock.packages:
            _check_package(each)
    except InvalidLock:
        raise
    except RegistryError as error:
        raise InvalidLock(error.detail) from error
    known = frozenset(ids)
    needed = [*lock.requirements, *(name for each in lock.packages for name in each.dependencies)]
    for name in needed:
        if name not in known:
            raise InvalidLock(f"{name} is needed but has no package")
    return lock_of(lock.requirements, lock.packages)


def write_lock(lock: Lock) -> str:
    """The text of the file."""
    lines = [
        "# Made by panspermia; commit it, do not edit it.",
        f"version = {lock.version}",
        "",
        "[requirements]",
        *_pairs(lock.requirements),
    ]
    for each in lock.packages:
        lines += ["", "[[package]]"]
        fields = {key: getattr(each, key) for key in ("id", "version", "sha256", "blob", "author")}
        lines += [f"{key} = {quote(value)}" for key, value in fields.items()]
        if each.dependencies:
            lines += ["", "[package.dependencies]", *_pairs(each.dependencies)]
    return "\n".join(lines) + "\n"


def parse_lock(text: str) -> Lock:
    """Raises `InvalidLock`, with the line where it is known. 4 MiB take seconds."""
    if len(text) > LOCK_BYTES_MAX:
        raise InvalidLock(f"more than {LOCK_BYTES_MAX} bytes")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        line = _line_at(text, error.start)
        raise InvalidLock("a byte that is no UTF-8, or half of a surrogate pair", line) from error
    if conflict := _CONFLICT.search(text):
        raise InvalidLock(
            "git left a merge conflict here; take either side whole (`git checkout --theirs"
            " panspermia.lock`) and run `panspermia install` again",
            _line_at(text, conflict.start()),
        )
    try:
        document = load(text)
    except NotToml as error:
        raise InvalidLock(error.detail, error.line) from error
    return _lock(text, document)


def _lock(text: str, document: dict[str, Any]) -> Lock:
    """Package by package, so that an error can name the line its package begins at."""
    starts = [
        number for number, line in enumerate(text.split("\n"), 1) if line.startswith("[[package]]")
    ]
    lines = Lines(text)
    packages = as_list(document.pop("package", []))
    if packages is None:
        raise InvalidLock("package must be a list of tables", lines.of(("package",)))
    if len(packages) > PACKAGES_MAX:
        raise InvalidLock(f"{len(packages)} packages, at most {PACKAGES_MAX}")
    _check_format(document, lines)
    try:
        head = msgspec.convert({**document, "packages": []}, Lock)
    except msgspec.ValidationError as error:
        raise InvalidLock(str(error)) from error
    _check_requirements(head, lines)
    read: list[LockedPackage] = []
    for number, fields in enumerate(packages):
        line = starts[number] if number < len(starts) else None
        try:
            package = msgspec.convert(fields, LockedPackage)
            _check_package(package)
        except msgspec.ValidationError as error:
            raise InvalidLock(str(error), line) from error
        except InvalidLock as error:
            raise InvalidLock(error.detail, error.line or line) from error
        read.append(package)
    return check_lock(msgspec.structs.replace(head, packages=tuple(read)))


def _check_format(document: dict[str, Any], lines: Lines) -> None:
    """Before any other field: a later format may have others, and no format is no lock."""
    if "version" not in document:
        raise InvalidLock("no lock file: it does not say its version")
    version = document["version"]
    if type(version) is not int or not 0 <= version < FORMATS_MAX:
        raise InvalidLock("version is no lock format", lines.of(("version",)))
    if version != FORMAT:
        raise InvalidLock(
            f"lock format {version}; this program reads {FORMAT}", lines.of(("version",))
        )
    if "packages" in document:
        raise InvalidLock("unknown key packages; did you mean package?", lines.of(("packages",)))


def _check_requirements(head: Lock, lines: Lines) -> None:
    for name, range in head.requirements.items():
        try:
            _check_ranges({name: range})
        except RegistryError as error:
            raise InvalidLock(error.detail, lines.of(("requirements", name))) from error


def _check_package(package: LockedPackage) -> None:
    try:
        name = parse_module_name(package.id)
        parse_version(package.version)
        _check_ranges(package.dependencies)
    except RegistryError as error:
        raise InvalidLock(error.detail) from error
    if name.author is None or name.author != package.author:
        raise InvalidLock(f"{package.id} is not a module of {package.author}")
    for hash in (package.sha256, package.blob):
        if not _HASH.fullmatch(hash):
            raise InvalidLock(f"{package.id} has a hash that is not 64 hex digits")


def _check_ranges(ranges: Mapping[str, str]) -> None:
    for name, text in ranges.items():
        if parse_module_name(name).author is None:
            raise InvalidLock(f"{name} is named without its author")
        parse_range(text)


def _pairs(ranges: Mapping[str, str]) -> list[str]:
    return [f"{quote(name)} = {quote(text)}" for name, text in ranges.items()]


def _line_at(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
