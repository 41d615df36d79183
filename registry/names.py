"""Names of modules: `io.univrs.user`, `did:key:z6Mk…/io.univrs.user`, `alice/io.univrs.user@^1.2`.

An id belongs to its author, so nobody can squat on one. A name without an author is a `bare` id:
in a manifest it means the same author, in a command whoever alone publishes it.

```
requirement = name [ "@" range ]
name        = [ owner "/" ] id            owner = did:key:… | petname
id          = part 1*( "." part )         part  = a-z 0-9, and - _ inside
petname     = a-z 0-9, and - _ inside     no dot, so it is never taken for an id
```
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crdt.did import decode_did_key
from crdt.errors import Malformed
from registry.errors import AmbiguousName, InvalidName, UnknownModule, quoted
from registry.ranges import parse_range
from registry.version_sets import VersionSet

ID_CHARACTERS_MAX = 128  # with a did:key of 56 and a slash it fits a record name of 255 bytes
ID_PARTS_MIN = 2  # a reverse domain has at least two
ID_PARTS_MAX = 16  # deeper than any domain in use; bounds the dotted keys of a manifest
PETNAME_CHARACTERS_MAX = 64
REFERENCE_CHARACTERS_MAX = 256  # did, slash and id, with room to say what is wrong

_PART = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?", re.ASCII)
ANY_RANGE = "*"


@dataclass(frozen=True, slots=True, order=True)
class ModuleName:
    """Whose module, and which. `author` is a did:key, or None for a bare id."""

    author: str | None
    id: str

    def __str__(self) -> str:
        return self.id if self.author is None else f"{self.author}/{self.id}"

    def of(self, author: str) -> "ModuleName":
        """The full name, where a bare id means `author`."""
        return self if self.author else ModuleName(author, self.id)


@dataclass(frozen=True, slots=True)
class Reference:
    """A name as it was written: `owner` may still be a petname."""

    owner: str | None
    id: str

    def __str__(self) -> str:
        return self.id if self.owner is None else f"{self.owner}/{self.id}"

    def named(self, petnames: Mapping[str, str]) -> ModuleName:
        """Petnames resolved. Raises `InvalidName` for one that is not in `petnames`."""
        if self.owner is None or self.owner.startswith("did:"):
            return ModuleName(self.owner, self.id)
        if self.owner not in petnames:
            raise InvalidName(f"{quoted(self.owner)} is no petname here, and no did:key")
        return ModuleName(petnames[self.owner], self.id)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A module somebody asks for: its name, and the range as written and as a set."""

    reference: Reference
    range: str
    accepts: VersionSet


def parse_id(text: str) -> str:
    """`text` itself, if it is a reverse-domain id. Raises `InvalidName` that says what is wrong."""
    if len(text) > ID_CHARACTERS_MAX:
        raise InvalidName(f"an id of {len(text)} characters, at most {ID_CHARACTERS_MAX}")
    parts = text.split(".")
    for part in parts:
        if not _PART.fullmatch(part):
            raise InvalidName(f"{quoted(text)} is no module id: {_what_is_wrong(part)}")
    if not ID_PARTS_MIN <= len(parts) <= ID_PARTS_MAX:
        raise InvalidName(
            f"{quoted(text)} has {len(parts)} part{'s' * (len(parts) != 1)}; an id is a reverse"
            f" domain of {ID_PARTS_MIN} to {ID_PARTS_MAX}, such as org.example.clock"
        )
    return text


def parse_reference(text: str) -> Reference:
    """A name as a person writes it, without a range. Raises `InvalidName`."""
    if len(text) > REFERENCE_CHARACTERS_MAX:
        raise InvalidName(f"a name of {len(text)} characters, at most {REFERENCE_CHARACTERS_MAX}")
    owner, slash, id = text.rpartition("/")
    if not slash:
        return Reference(None, parse_id(text))
    if owner.startswith("did:"):
        check_did(owner)
    elif len(owner) > PETNAME_CHARACTERS_MAX or not _PART.fullmatch(owner):
        raise InvalidName(f"{quoted(owner)} is neither a did:key nor a petname")
    return Reference(owner, parse_id(id))


def parse_module_name(text: str, petnames: Mapping[str, str] | None = None) -> ModuleName:
    """`<did>/<id>`, `petname/id` or a bare id. Raises `InvalidName`."""
    return parse_reference(text).named(petnames or {})


def parse_requirement(text: str) -> Requirement:
    """`NAME[@RANGE]`; no range takes any version. Raises `InvalidName` or `InvalidRange`."""
    name, at, range = text.partition("@")
    if at and not range.strip():
        raise InvalidName(f"{quoted(text)}: a range belongs after the @")
    range = range.strip() or ANY_RANGE
    return Requirement(parse_reference(name.strip()), range, parse_range(range))


@functools.lru_cache(maxsize=1024)  # the same few authors over and over, at 15 µs of base58 each
def check_did(did: str) -> None:
    """Raises `InvalidName` unless `did` is the did:key of an Ed25519 key."""
    try:
        decode_did_key(did)
    except Malformed as error:
        raise InvalidName(error.detail) from error


def choose_author(name: ModuleName, authors: Sequence[str]) -> ModuleName:
    """The full name of a bare one, given every author who publishes that id.

    Raises `UnknownModule` where there is none, `AmbiguousName` with the candidates where there are
    several; which of them was first is never a reason.
    """
    if name.author is not None:
        return name
    match sorted(set(authors)):
        case []:
            raise UnknownModule(
                f"no module {name.id} is known here; `panspermia sync` may bring it"
            )
        case [only]:
            return ModuleName(only, name.id)
        case several:
            raise AmbiguousName(name.id, tuple(f"{author}/{name.id}" for author in several))


def _what_is_wrong(part: str) -> str:
    if not part:
        return "an empty part between dots"
    if part != part.lower() and _PART.fullmatch(part.lower()):
        return f"write it in lower case ({quoted(part.lower())})"
    return f"{quoted(part)} may hold a-z, 0-9, and - or _ inside"
