"""What the registry refuses, and why.

```
RegistryError            .code for programs, .detail for people
├── InvalidVersion       no semantic version, or too long
├── InvalidRange         no range of the dialect, or too long
├── InvalidName          no module id, author or reference
├── AmbiguousName        a bare id that several authors use: .candidates
├── UnknownModule        nobody here has a module of that name
├── UnknownPetname       names that mean no author here: .petnames
├── InvalidManifest      gen.toml cannot be published: .problems, each with its key and line
├── InvalidRecord        a genome, a seed or a lineage cannot be published: .problems
├── UniverseFull         its document has no room for more
├── UnknownRecord        nobody here has it
├── InvalidLock          panspermia.lock cannot be read: .line
├── InvalidStatement     a statement of a release or a snapshot is not what an author may sign
├── MalformedRecord      a document from somebody is no module and no rating
├── VersionExists        a version never changes once published
├── UnknownVersion       the module has no such version
├── InvalidFilter        what a search should keep to is no export, import …
├── InvalidRating        stars or review out of bounds
├── NotRated             there is no rating to take back
├── InvalidAdvisory      its texts, range or names are not such as can be said
├── UnknownAdvisory      this author says no such thing (any more)
├── InvalidEvaluation    no evaluation, answer or run that could be attested
├── NotClaimed           there is no claim to take back
├── InvalidChallenge     terms that no challenge can have
├── CannotTravel         a gate does not sign that: .why is a word for programs
├── Unsolvable           no set of versions fits: .detail is the explanation
├── TooHard              the budget of steps or time was spent before an answer
├── FormatError          see formats/errors.py
├── NoPicture            see pictures/errors.py
└── WasmError            see wasm/errors.py
```
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

# What an error repeats of a text it refuses: enough to find it, too little to flood a log.
QUOTED_CHARACTERS_MAX = 64


class RegistryError(Exception):
    """The registry could not do that."""

    code: ClassVar[str] = "registry"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidVersion(RegistryError):
    """That is no semantic version."""

    code = "invalid-version"


class InvalidRange(RegistryError):
    """That is no range of versions."""

    code = "invalid-range"


class InvalidName(RegistryError):
    """That is no name of a module or of an author."""

    code = "invalid-name"


class InvalidFilter(RegistryError):
    """A search cannot be kept to that."""

    code = "invalid-filter"


class AmbiguousName(RegistryError):
    """Several authors publish a module of that id; say whose you mean."""

    code = "ambiguous-module"

    def __init__(
        self, id: str, candidates: tuple[str, ...], petnames: Mapping[str, str] | None = None
    ) -> None:
        """`petnames`: candidate → the same with the author's petname, where there is one."""
        known = petnames or {}
        listed = ", ".join(f"{one} ({known[one]})" if one in known else one for one in candidates)
        super().__init__(f"{len(candidates)} authors publish {id}; choose one of: {listed}")
        self.candidates = candidates


class UnknownModule(RegistryError):
    """No module of that name is known here."""

    code = "unknown-module"


class UnknownPetname(RegistryError):
    """No author is called so here."""

    code = "unknown-petname"

    def __init__(self, petnames: tuple[str, ...]) -> None:
        super().__init__(
            "\n".join(
                f"{one!r} is nobody's name here; say whom you mean: panspermia name set {one}"
                " did:key:…"
                for one in petnames
            )
        )
        self.petnames = petnames


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file: a JSON pointer to the key, and its line where it is known."""

    pointer: str
    detail: str
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        key = self.pointer.strip("/").replace("/", ".").replace("~1", "/").replace("~0", "~")
        return f"{where}{key}: {self.detail}" if key else f"{where}{self.detail}"


class InvalidManifest(RegistryError):
    """The manifest cannot be published as it is."""

    code = "invalid-manifest"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class InvalidRecord(RegistryError):
    """It cannot be published as it is."""

    code = "invalid-record"

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class UniverseFull(RegistryError):
    """The universe has no room for it."""

    code = "universe-full"


class UnknownRecord(RegistryError):
    """No genome, seed or lineage of that id is known here."""

    code = "unknown-record"


class InvalidLock(RegistryError):
    """The lock file cannot be read."""

    code = "invalid-lock"

    def __init__(self, detail: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {detail}" if line else detail)
        self.line = line


class InvalidStatement(RegistryError):
    """A statement that is not what its author may sign."""

    code = "invalid-statement"


class MalformedRecord(RegistryError):
    """The document is not what its kind promises."""

    code = "malformed-record"


class VersionExists(RegistryError):
    """That version is published, and a version never changes; publish a new one."""

    code = "version-exists"


class UnknownVersion(RegistryError):
    """The module has no such version."""

    code = "unknown-version"


class InvalidRating(RegistryError):
    """A rating has one to five stars and a short review."""

    code = "invalid-rating"


class NotRated(RegistryError):
    """This author has not rated it."""

    code = "not-rated"


class InvalidAdvisory(RegistryError):
    """That cannot be said of a module."""

    code = "invalid-advisory"


class UnknownAdvisory(RegistryError):
    """There is no such advisory."""

    code = "unknown-advisory"


class InvalidEvaluation(RegistryError):
    """That is no evaluation, or no answer that one can have."""

    code = "invalid-evaluation"


class InvalidChallenge(RegistryError):
    """Those are no terms of a challenge."""

    code = "invalid-challenge"


class NotClaimed(RegistryError):
    """This author claims nothing of it."""

    code = "not-claimed"


class CannotTravel(RegistryError):
    """The gate of that universe does not sign that."""

    code = "cannot-travel"

    def __init__(self, detail: str, why: str) -> None:
        super().__init__(detail)
        self.why = why


class Unsolvable(RegistryError):
    """No set of versions meets every requirement."""

    code = "unsolvable"

    def __init__(self, detail: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.missing = missing


class TooHard(RegistryError):
    """No answer within the budget of steps and time."""

    code = "too-hard"


def quoted(text: str) -> str:
    """`text` for a message: control characters escaped, cut where it is long."""
    cut = text[:QUOTED_CHARACTERS_MAX]
    shown = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut
    )
    return f"'{shown}…'" if len(text) > len(cut) else f"'{shown}'"
