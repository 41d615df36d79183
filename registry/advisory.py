"""Advisories: what an author says against versions of a module, their own or somebody else's.

```
class pub, kind adv, record = "adv-" + 16 hex digits of BLAKE3(canonical CBOR [module, range, kind])
head      name (one line), description (Markdown), created_us, updated_us
advisory  module "did:key:…/io.univrs.user", range "<1.2.3",
          kind vulnerable | malicious | superseded,
          fixed?        the first version that is better, as "1.2.3"
          replacement?  another module, by its full name
          withdrawn?    why it holds no more; "" for no reason
```
One author says one thing of one range: said again it is edited, and what was said before stays in
the history. Everybody may say anything, and keys are free; so an advisory *counts* where the
module's own author says it, oneself, or an author one follows. Others are shown as what they are.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, TypeAlias, get_args

import blake3
import msgspec

from crdt import cbor
from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Editor, Scalar
from registry.deletion import undelete
from registry.edits import Edit
from registry.errors import InvalidAdvisory, MalformedRecord, RegistryError, UnknownAdvisory
from registry.fields import TIME_US_MAX
from registry.listed import rfc3339
from registry.names import ModuleName, parse_module_name
from registry.plain import as_map
from registry.ranges import parse_range
from registry.version_sets import VersionSet
from registry.versions import FIRST_RELEASE, Version, parse_version
from registry.wasm.names import unsafe

CLASS, KIND = "pub", "adv"
WORD = "advisory"

AdvisoryKind: TypeAlias = Literal["vulnerable", "malicious", "superseded"]
KINDS: tuple[AdvisoryKind, ...] = get_args(AdvisoryKind)
ALARMING: frozenset[AdvisoryKind] = frozenset({"vulnerable", "malicious"})
"""What `audit` fails for. What is only superseded works as it did."""

By: TypeAlias = Literal["author", "self", "followed", "other"]
"""Whose word it is: the module's author, one's own, one whom one follows, anybody's."""

TITLE_CHARACTERS_MAX = 200  # one line of a list
TEXT_BYTES_MAX = 16 * 1024  # a page or two; one change of 64 KiB holds it
REASON_CHARACTERS_MAX = 500

_ID = re.compile(r"adv-[0-9a-f]{16}", re.ASCII)


Plain = Mapping[str, Any]


class Advisory(msgspec.Struct, frozen=True, kw_only=True):
    """An advisory as people see it. `author` and `id` together name it."""

    id: str
    author: str
    module: str
    range: str
    kind: AdvisoryKind
    title: str
    text: str
    fixed: str = ""
    replacement: str = ""
    created_at: str
    updated_at: str
    withdrawn: bool = False
    withdrawal: str = ""
    namespace: str = "commons"
    """`commons`, or the did:key of the namespace it is in."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """An advisory that is about a version somebody has or wants."""

    module: str
    version: str
    by: By
    advisory: Advisory
    accepted: bool = False
    """By this person, for the very bytes of this version."""
    unlike: str = ""
    """Why it is not `accepted`, where this person accepted it for something else by this name."""

    @property
    def counts(self) -> bool:
        return self.by != "other"

    @property
    def is_alarming(self) -> bool:
        """Whether an audit fails for it."""
        return self.counts and not self.accepted and self.advisory.kind in ALARMING

    @property
    def is_forbidding(self) -> bool:
        """Whether it is installed only by who accepts the risk."""
        return self.counts and not self.accepted and self.advisory.kind == "malicious"

    def __str__(self) -> str:
        said, what = self.advisory, f"{self.module} {self.version}"
        who = _WHO[self.by].format(author=said.author)
        better = f"; fixed in {said.fixed}" if said.fixed else ""
        instead = f"; use {said.replacement}" if said.replacement else ""
        accepted = ", which you accept" if self.accepted else ""
        if self.unlike and not self.accepted:
            accepted = f"; you accepted it {self.unlike}"
        told = f"{what} is {said.kind}, says {who}: {said.title}{better}{instead}"
        return f"{told} ({said.id}{accepted})"


_WHO: Mapping[By, str] = {
    "author": "its author",
    "self": "you",
    "followed": "{author}, whom you follow",
    "other": "{author}, whom you do not follow",
}


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to say; `checked` says whether they may."""

    module: ModuleName
    range: str
    kind: AdvisoryKind
    title: str
    text: str = ""
    fixed: str = ""
    replacement: str = ""

    def checked(self) -> "Claim":
        """With its texts trimmed. Raises `InvalidAdvisory`, `InvalidRange` and `InvalidVersion`."""
        claim = msgspec.structs.replace(
            self, range=" ".join(self.range.split()) or "*", title=" ".join(self.title.split())
        )
        if claim.module.author is None:
            raise InvalidAdvisory("the module is named without its author")
        if not claim.title:
            raise InvalidAdvisory("no title: say in one line what is wrong")
        if problem := _problem(claim):
            raise InvalidAdvisory(problem)
        return claim


def is_id(text: str) -> bool:
    """Whether an advisory may be called so."""
    return _ID.fullmatch(text) is not None


def record_of(claim: Claim) -> bytes:
    """The record of what is said of this module, range and kind."""
    said = cbor.encode([str(claim.module), claim.range, claim.kind])
    return f"adv-{blake3.blake3(said).hexdigest()[:16]}".encode()


def publish_advisory(claim: Claim, *, now_us: int) -> Edit:
    """Say it, or say it anew; one that was withdrawn holds again. `claim` is a checked one."""

    def edit(editor: Editor) -> None:
        undelete()(editor)
        first_us = editor.get(("head", "created_us"))
        _put(editor, "head", "name", claim.title)
        _put(editor, "head", "description", claim.text)
        _put(editor, "head", "created_us", first_us if first_us is not None else now_us)
        editor.put(("head", "updated_us"), now_us)
        for key in ("range", "kind", "fixed", "replacement"):
            _put(editor, "advisory", key, getattr(claim, key) or None)
        _put(editor, "advisory", "module", str(claim.module))
        _put(editor, "advisory", "withdrawn", None)

    return edit


def withdraw(reason: str, *, now_us: int) -> Edit:
    """It holds no more; that it was said stays visible. The edit raises `UnknownAdvisory`."""
    if len(reason) > REASON_CHARACTERS_MAX or (reason and unsafe(reason.replace("..", ""))):
        raise InvalidAdvisory(f"a reason is one line of at most {REASON_CHARACTERS_MAX} characters")

    def edit(editor: Editor) -> None:
        if editor.get(("advisory", "module")) is None:
            raise UnknownAdvisory("there is no such advisory of yours")
        if editor.get(("advisory", "withdrawn")) is not None:
            raise UnknownAdvisory("it is withdrawn already")
        editor.put(("advisory", "withdrawn"), reason)
        editor.put(("head", "updated_us"), now_us)

    return edit


def advisory_of(document: DocumentId, value: Plain) -> Advisory:
    """The advisory as people see it. Raises `MalformedRecord`, whatever the value is."""
    if (document.cls, document.kind) != (CLASS, KIND):
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, not an advisory")
    head, said = as_map(value.get("head")), as_map(value.get("advisory"))
    if head is None or said is None:
        raise MalformedRecord("an advisory without its maps")
    kind = _text(said, "kind")
    if kind not in KINDS:
        raise MalformedRecord("an advisory says vulnerable, malicious or superseded")
    try:
        claim = Claim(
            module=parse_module_name(_text(said, "module")),
            range=_text(said, "range"),
            kind=kind,
            title=_text(head, "name"),
            text=_text(head, "description"),
            fixed=_text(said, "fixed"),
            replacement=_text(said, "replacement"),
        ).checked()
        id = document.record.decode("ascii")
        if document.record != record_of(claim):
            raise MalformedRecord(f"{id[:64]!r} is not the name of what it says")
    except UnicodeDecodeError as error:
        raise MalformedRecord("an advisory under a name of no letters") from error
    except MalformedRecord:
        raise
    except RegistryError as error:
        raise MalformedRecord(error.detail) from error
    return Advisory(
        id=id,
        author=encode_did_key(document.subspace),
        module=str(claim.module),
        range=claim.range,
        kind=claim.kind,
        title=claim.title,
        text=claim.text,
        fixed=claim.fixed,
        replacement=claim.replacement,
        created_at=rfc3339(_time(head, "created_us")),
        updated_at=rfc3339(_time(head, "updated_us")),
        withdrawn="withdrawn" in said,
        withdrawal=_line(said, "withdrawn"),
    )


def created_and_updated_us(value: Plain) -> tuple[int, int]:
    """When it was said first and last, of a value that `advisory_of` could read."""
    return _time(value["head"], "created_us"), _time(value["head"], "updated_us")


def _time(fields: Plain, key: str) -> int:
    value = fields.get(key)
    if type(value) is not int or not 0 <= value <= TIME_US_MAX:
        raise MalformedRecord(f"an advisory whose {key} is no time")
    return value


def affects(advisory: Advisory, version: Version) -> bool:
    """Whether it is about this version; pre-releases count in SemVer's plain order.

    A resolver takes 1.2.3-rc only where a range names it. What is wrong below 1.2.3 is wrong in
    1.2.3-rc, whatever its author thought of when they wrote the range.
    """
    if advisory.withdrawn:
        return False
    accepts = parse_range(advisory.range)
    return accepts.allows(version) or (
        version.prerelease is not None and _is_among(version, accepts)
    )


def findings(
    versions: Mapping[str, Version],
    advisories: Iterable[Advisory],
    *,
    own: str,
    followed: Collection[str],
) -> tuple[Finding, ...]:
    """What is said of these (full name → version): what counts most first, then by module.

    `own` and `followed` are did:keys.
    """
    found = [
        Finding(
            module=one.module,
            version=str(versions[one.module]),
            by=_by(one, own, followed),
            advisory=one,
        )
        for one in advisories
        if one.module in versions and affects(one, versions[one.module])
    ]
    return tuple(sorted(found, key=_weight))


def _weight(one: Finding) -> tuple[bool, int, str, str, str]:
    rank = ("malicious", "vulnerable", "superseded").index(one.advisory.kind)
    return not one.counts, rank, one.module, one.advisory.author, one.advisory.id


def _by(advisory: Advisory, own: str, followed: Collection[str]) -> By:
    if advisory.author == own:
        return "self"
    if advisory.author == advisory.module.rpartition("/")[0]:
        return "author"
    return "followed" if advisory.author in followed else "other"


def _is_among(version: Version, accepts: VersionSet) -> bool:
    """Whether a pre-release lies between the ends of what the range takes of releases."""
    base = (0, version.major, version.minor, version.patch)
    return any(
        (low < base or low == FIRST_RELEASE) and base <= high for low, high in accepts.intervals
    )


def _problem(claim: Claim) -> str | None:
    """What is wrong with the texts. Raises `InvalidRange`, `InvalidVersion` and `InvalidName`."""
    if len(claim.title) > TITLE_CHARACTERS_MAX:
        return f"a title of {len(claim.title)} characters, at most {TITLE_CHARACTERS_MAX}"
    if reason := unsafe(claim.title.replace("..", "")):
        return f"the title {reason}"
    if len(claim.text.encode(errors="replace")) > TEXT_BYTES_MAX:
        return f"a text of more than {TEXT_BYTES_MAX} bytes"
    if parse_range(claim.range).is_empty:
        return f"{claim.range} takes no version at all"
    if claim.fixed:
        parse_version(claim.fixed)
    if claim.replacement and parse_module_name(claim.replacement).author is None:
        return "the replacement is named without its author"
    return None


def _text(fields: Plain, key: str) -> str:
    value = fields.get(key, "")
    if not isinstance(value, str) or len(value) > TEXT_BYTES_MAX:
        raise MalformedRecord(f"an advisory whose {key} is no text, or too long")
    return value


def _line(fields: Plain, key: str) -> str:
    value = _text(fields, key)
    if len(value) > REASON_CHARACTERS_MAX or (value and unsafe(value.replace("..", ""))):
        raise MalformedRecord(f"an advisory whose {key} is no line")
    return value


def _put(editor: Editor, part: str, key: str, value: Scalar) -> None:
    """What is there already is not said again; None takes it away."""
    if editor.get((part, key)) == value:
        return
    if value is None:
        editor.delete((part, key))
    else:
        editor.put((part, key), value)
