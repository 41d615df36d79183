"""Names of modules: `io.univrs.user`, `did:key:z6Mk…/io.univrs.user`, `alice/io.univrs.user@^1.2`.

An id belongs to its author, so nobody can squat on one. A name without an author is a `bare` id:
in a manifest it means the same author, in a command whoever alone publishes it.

```
requirement = name [ "@" range ]
name        = [ owner "/" ] id            owner = did:key:… | petname
id          = part 1*( "." part )         part  = a-z 0-9, and - _ inside
petname     = a-z 0-9, and - _ inside     no dot, so it is never taken for an id
```

A petname is one person's own word for an author. What is signed, locked or sent never holds one.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crdt.did import decode_did_key
from crdt.errors import Malformed
from registry.errors import (
    AmbiguousName,
    InvalidName,
    UnknownModule,
    UnknownPetname,
    quoted,
)
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

    @property
    def petname(self) -> str | None:
        """The owner, where it is neither left out nor a did:key."""
        return None if self.owner is None or is_did(self.owner) else self.owner

    def named(self, petnames: Mapping[str, str]) -> ModuleName:
        """The author for the petname. Raises `UnknownPetname` for one that is not in `petnames`."""
        if self.petname is None:
            return ModuleName(self.owner, self.id)
        if self.petname not in petnames:
            raise UnknownPetname((self.petname,))
        return ModuleName(petnames[self.petname], self.id)


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
    return Reference(parse_owner(owner), parse_id(id))


def parse_petname(text: str) -> str:
    """`text` itself, if an author may be called so. Raises `InvalidName` that says why not."""
    if len(text) > PETNAME_CHARACTERS_MAX:
        raise InvalidName(f"a name of {len(text)} characters, at most {PETNAME_CHARACTERS_MAX}")
    if not _PART.fullmatch(text):
        raise InvalidName(f"{quoted(text)} cannot be a name: {_why_no_petname(text)}")
    return text


def parse_owner(text: str) -> str:
    """`text` itself, if it is a did:key or may be a petname. Raises `InvalidName`."""
    if not is_did(text):
        return parse_petname(text)
    check_did(text)
    return text


def is_did(owner: str) -> bool:
    """Whether it was meant as a key, not as a petname."""
    return owner.startswith("did:")


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


def choose_author(
    name: ModuleName, authors: Sequence[str], petnames: Mapping[str, str] | None = None
) -> ModuleName:
    """The full name of a bare one, given every author who publishes that id.

    Raises `UnknownModule` where there is none, `AmbiguousName` with the candidates where there are
    several; which of them was first, or is called `petnames`, is never a reason.
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
            candidates = tuple(f"{author}/{name.id}" for author in several)
            called = {
                f"{author}/{name.id}": f"{petname}/{name.id}"
                for petname, author in sorted((petnames or {}).items(), reverse=True)
            }
            raise AmbiguousName(name.id, candidates, called)


def _why_no_petname(text: str) -> str:
    if not text:
        return "that is nothing"
    if is_did(text):
        return "that is the author's own key; a name is a word of yours for it"
    if "." in text:
        return "a dot would make it a module's id"
    return _what_is_wrong(text)


def _what_is_wrong(part: str) -> str:
    if not part:
        return "an empty part between dots"
    if part != part.lower() and _PART.fullmatch(part.lower()):
        return f"write it in lower case ({quoted(part.lower())})"
    return f"{quoted(part)} may hold a-z, 0-9, and - or _ inside"
