"""The terms of a live invite: what is offered, before anybody knows to whom.

    terms = CBOR [1, "pair" | "device", author 32, key 32, {namespace: name},
                  [[capability, is_theirs] …], code, note, name]

`pair`: the author gave each capability to `key`, the *invite key*, which hands it on to whoever
redeems the invite: as it is, or, where `is_theirs`, of their own subspace only. `device`: `key` is
that of a new device, whose rights are in `code`, a code of type `device`; with the invite comes the
secret of that key. `name` is what the author proposes to be called; empty where nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from crdt import cbor
from crdt.area import Area
from crdt.capability import (
    CAPABILITY_BYTES_MAX,
    Capability,
    check_valid,
    decode_capability,
    delegate,
    encode_capability,
)
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.errors import CrdtError
from crdt.keys import COMMONS, AuthorKey, NamespaceKey, is_communal
from node.errors import NodeError, Unverified
from node.invites import (
    CODE_NAMESPACES_MAX,
    DEVICE,
    NOTE_CHARACTERS_MAX,
    Code,
    code_words,
    read_code,
)
from node.text import printable
from node.words import Names, area_words, capability_words, key_words
from p2p.protocol.invites.frames import GIVEN_MAX, TERMS_BYTES_MAX
from registry.errors import InvalidName
from registry.names import parse_petname

PAIR: Final = "pair"
VERSION: Final = 1
_ITEMS_MAX: Final = 4 * (GIVEN_MAX + CODE_NAMESPACES_MAX)

_Key = Annotated[bytes, Meta(min_length=32, max_length=32)]


class _Right(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    capability: Annotated[bytes, Meta(max_length=CAPABILITY_BYTES_MAX)]
    is_theirs: bool


class _Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    type: Literal["pair", "device"]
    author: _Key
    key: _Key
    namespaces: dict[_Key, Annotated[str, Meta(min_length=1, max_length=64)]]
    rights: Annotated[list[_Right], Meta(max_length=GIVEN_MAX)]
    code: Annotated[str, Meta(max_length=TERMS_BYTES_MAX)]
    note: Annotated[str, Meta(max_length=NOTE_CHARACTERS_MAX)]
    name: Annotated[str, Meta(max_length=64)]


@dataclass(frozen=True, slots=True)
class Terms:
    """`read_terms` gives only those whose capabilities are valid, and really come from `author`."""

    type: Literal["pair", "device"]
    author: AuthorKey
    key: bytes
    namespaces: Mapping[NamespaceKey, str] = field(default_factory=dict[NamespaceKey, str])
    rights: tuple[tuple[Capability, bool], ...] = ()
    """What the invite key holds, and whether of each only the receiver's own subspace is given."""
    device_text: str = ""
    """Of an invite for a device: the code of what that is given."""
    note: str = ""
    name: str = ""
    """A petname, as the author would like to be called; empty where nothing is proposed."""

    @property
    def device_code(self) -> Code:
        """Of an invite for a device: what that device is given."""
        return read_code(self.device_text)


def write_terms(terms: Terms) -> bytes:
    """Raises as `read_terms`, for what nobody would take."""
    body = cbor.encode(
        [
            VERSION,
            terms.type,
            terms.author,
            terms.key,
            {bytes(key): name for key, name in terms.namespaces.items()},
            [[encode_capability(right), is_theirs] for right, is_theirs in terms.rights],
            terms.device_text,
            terms.note,
            terms.name,
        ]
    )
    read_terms(body, terms.author)
    return body


def read_terms(data: bytes, author: bytes) -> Terms:
    """What `author` offers. Raises `Unverified` (`code-forged`) where it is not theirs to give."""
    try:
        plain: object = cbor.decode(
            data, bytes_max=TERMS_BYTES_MAX, items_max=_ITEMS_MAX, depth_max=3
        )
        said = msgspec.convert(plain, _Body, builtin_types=(bytes,))
        rights = [(decode_capability(one.capability), one.is_theirs) for one in said.rights]
        for right, _ in rights:
            check_valid(right)
        for name in (*said.namespaces.values(), *([said.name] if said.name else [])):
            parse_petname(name)
    except (msgspec.ValidationError, CrdtError, InvalidName) as error:
        raise _forged(f"{getattr(error, 'detail', None) or error}") from error
    namespaces = {NamespaceKey(key): name for key, name in said.namespaces.items()}
    terms = Terms(
        said.type,
        AuthorKey(said.author),
        said.key,
        namespaces,
        tuple(rights),
        said.code,
        said.note,
        said.name,
    )
    if said.version != VERSION:
        raise _forged(f"it is of version {said.version}, which is not known here")
    if said.author != author or len(namespaces) > CODE_NAMESPACES_MAX or COMMONS in namespaces:
        raise _forged("it is of somebody else, or names namespaces that no invite names")
    _check_type(terms)
    for right, is_theirs in rights:
        _check_right(terms, right)
        if is_theirs and right.granted_area.subspace is not None:
            raise _forged("it gives of one author what is said to be of whoever takes it")
    return terms


def given_by(terms: Terms, key: SigningKey, author: AuthorKey) -> tuple[bytes, ...]:
    """The capabilities made out to `author`; `key` is the secret of the invite key."""
    return tuple(
        encode_capability(delegate(right, key, area, author))
        for (right, _), area in zip(terms.rights, areas_for(terms, author), strict=True)
    )


def areas_for(terms: Terms, author: AuthorKey) -> Sequence[Area]:
    """What each of the rights comes to for this author."""
    return [
        replace(right.granted_area, subspace=author) if is_theirs else right.granted_area
        for right, is_theirs in terms.rights
    ]


def check_given(terms: Terms, capabilities: Sequence[bytes], author: AuthorKey) -> None:
    """Raises `Unverified` (`code-forged`) where something else was given than was offered."""
    try:
        given = [decode_capability(one) for one in capabilities]
        for one in given:
            check_valid(one)
    except CrdtError as error:
        raise _forged(error.detail) from error
    wanted = [
        (replace(right, delegations=(*right.delegations, *one.delegations[-1:])), area)
        for (right, _), area, one in zip(
            terms.rights, areas_for(terms, author), given, strict=False
        )
    ]
    is_as_offered = [(one, one.granted_area) for one in given] == wanted
    is_ours = all(one.receiver == author for one in given)
    if len(given) != len(terms.rights) or not is_as_offered or not is_ours:
        raise _forged("something else was given than was offered")


def terms_words(terms: Terms, names: Names, me: AuthorKey) -> list[str]:
    """Who gives what, and where: a sentence each. `me` is who would take it."""
    if terms.type == DEVICE:
        return [*code_words(terms.device_code, {**names, terms.key: "this node"}), *_note(terms)]
    lines = [f"{_who(terms.author, names)} invites {key_words(me, names)}"]
    taken = set(names.values())
    proposed: dict[bytes, str] = {
        key: name for key, name in terms.namespaces.items() if name not in taken
    }
    here: dict[bytes, str] = {**proposed, **names, terms.key: "their invite"}
    who = key_words(me, names)
    lines += [
        f"{who} {capability_words(replaced(right, area, me), here)}"
        for (right, _), area in zip(terms.rights, areas_for(terms, me), strict=True)
    ]
    for key, name in sorted(terms.namespaces.items(), key=lambda one: one[1]):
        kind = " for everyone who knows its key" if is_communal(key) else ""
        lines.append(f"Joins the namespace {printable(name)}{kind}: {encode_did_key(key)}")
    if not terms.rights and not terms.namespaces:
        lines.append("Gives no right: the two nodes come to know each other, and connect")
    return [*lines, *_note(terms)]


def offer_words(terms: Terms, names: Names) -> list[str]:
    """The same for who makes it: nobody in particular takes it yet."""
    if terms.type == DEVICE:
        return [
            "Whoever uses it makes their node a device of yours: what it writes counts as yours"
        ]
    lines: list[str] = []
    for right, is_theirs in terms.rights:
        here = "commons" if right.namespace == COMMONS else key_words(right.namespace, names)
        if is_theirs:
            words = area_words(right.granted_area, names).replace("of everyone", "of theirs")
        else:
            words = area_words(right.granted_area, names)
        verb = "write" if right.mode else "read"
        lines.append(f"Whoever uses it may {verb} {words} in the namespace {here}")
    for key, name in terms.namespaces.items():
        lines.append(f"They join the namespace {key_words(key, names) or name}")
    if not lines:
        lines.append("Gives no right: the two nodes come to know each other, and connect")
    return [*lines, *_note(terms)]


def replaced(right: Capability, area: Area, me: AuthorKey) -> Capability:
    """`right` as it will be once it is handed on; not valid, for words only."""
    last = replace(right.delegations[-1], area=area, user=me)
    return replace(right, delegations=(*right.delegations, last))


def _note(terms: Terms) -> list[str]:
    return [f"They say: {printable(terms.note)}"] if terms.note else []


def _who(key: bytes, names: Names) -> str:
    did = encode_did_key(key)
    return f"{names[key]} ({did})" if key in names else did


def _check_type(terms: Terms) -> None:
    if terms.type == PAIR:
        if terms.device_text:
            raise _forged("it holds a code that none of its type has")
        return
    try:
        code = terms.device_code
    except NodeError as error:
        raise _forged(error.detail) from error
    is_its = (code.type, code.receiver, code.giver) == (DEVICE, terms.key, terms.author)
    if not is_its or terms.rights or terms.namespaces or terms.name:
        raise _forged("what it says of the device is of another one")


def _check_right(terms: Terms, right: Capability) -> None:
    is_from = right.chain[-2:] == (terms.author, terms.key)
    is_here = right.namespace == COMMONS or right.namespace in terms.namespaces
    # A name in it is one of a namespace, and never makes a person look like another.
    people = {terms.author, *right.chain, right.granted_area.subspace} - {right.namespace}
    if not is_from or not is_here or people & terms.namespaces.keys():
        raise _forged("it gives what is of other people, or of another place")


def _forged(why: str) -> Unverified:
    return Unverified(f"the invite is not valid: {why}", code="code-forged")
