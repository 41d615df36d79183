"""Codes: rights handed from one person to another, by whatever way they talk.

    code = "psp1-" ‖ base64url without padding (n 4 ‖ check 4 ‖ CBOR of n bytes)
    CBOR = {"type": "grant" | "device", "for": key, "from": key, "namespaces": {key: name},
            "capabilities": [...], "addresses": ["host:port"], "note": text}

`n` is big-endian and shows what was cut off; the check, the first bytes of BLAKE3 of the CBOR, what
was mistyped. Nothing in a code is secret: a capability is of use only to the key it was given to.
`from` is proved by the capabilities, each of which it signed or holds; where there is none, it is a
claim.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec
from blake3 import blake3
from msgspec import Meta, Struct

from crdt import cbor
from crdt.capability import (
    CAPABILITY_BYTES_MAX,
    WRITE,
    Capability,
    check_valid,
    decode_capability,
    encode_capability,
)
from crdt.did import encode_did_key
from crdt.errors import CrdtError
from crdt.keys import COMMONS, NamespaceKey, is_communal
from crdt.path import PUBLIC
from node.errors import BadRequest, Unverified
from node.text import printable
from node.words import Names, capability_words, key_words
from p2p.protocol.errors import SyncError
from p2p.transport.place import parse_place
from registry.errors import InvalidName
from registry.names import parse_petname
from storage.namespaces import COMMONS_NAME

PREFIX: Final = "psp1-"
GRANT: Final = "grant"
DEVICE: Final = "device"

CODE_BYTES_MAX = 256 << 10
"""Of the CBOR: some 800 capabilities of everyday length; a file then, and no line to type."""
CODE_CAPABILITIES_MAX = 1_024
CODE_NAMESPACES_MAX = 256
"""As many as a node joins."""
CODE_ADDRESSES_MAX = 16
NOTE_CHARACTERS_MAX = 500

_HEAD_BYTES: Final = 8
_CHECK_BYTES: Final = 4
_ITEMS_MAX: Final = 4 * CODE_CAPABILITIES_MAX
_VERSION: Final = re.compile(r"psp([0-9]{1,4})-", re.ASCII)
_NO_CHARACTER: Final = re.compile(r"[^A-Za-z0-9_-]")

_Key = Annotated[bytes, Meta(min_length=32, max_length=32)]


class _Body(Struct, frozen=True, forbid_unknown_fields=True):
    """A code as plain values."""

    type: Literal["grant", "device"]
    receiver: _Key = msgspec.field(name="for")
    giver: _Key = msgspec.field(name="from")
    namespaces: dict[_Key, Annotated[str, Meta(min_length=1, max_length=64)]]
    capabilities: Annotated[
        list[Annotated[bytes, Meta(max_length=CAPABILITY_BYTES_MAX)]],
        Meta(max_length=CODE_CAPABILITIES_MAX),
    ]
    addresses: Annotated[
        list[Annotated[str, Meta(max_length=300)]], Meta(max_length=CODE_ADDRESSES_MAX)
    ]
    note: Annotated[str, Meta(max_length=NOTE_CHARACTERS_MAX)]


@dataclass(frozen=True, slots=True)
class Code:
    """What a code says. `read_code` gives only those whose capabilities are valid."""

    type: Literal["grant", "device"]
    receiver: bytes
    """Of a grant an author (or a device), of "device" the device."""
    giver: bytes
    """An author: the root key that gave, or delegated to the new device."""
    namespaces: Mapping[NamespaceKey, str] = field(default_factory=dict[NamespaceKey, str])
    """Those to join, with what the giver calls them; commons never among them."""
    capabilities: tuple[bytes, ...] = ()
    addresses: tuple[str, ...] = ()
    note: str = ""

    @property
    def rights(self) -> list[Capability]:
        """The capabilities, decoded."""
        return [decode_capability(one) for one in self.capabilities]


def write_code(code: Code) -> str:
    """The text of a code. Raises `BadRequest` (`code-too-long`), or as `read_code` does."""
    body = cbor.encode(
        {
            "type": code.type,
            "for": code.receiver,
            "from": code.giver,
            "namespaces": {bytes(key): name for key, name in code.namespaces.items()},
            "capabilities": list(code.capabilities),
            "addresses": list(code.addresses),
            "note": code.note,
        }
    )
    if len(body) > CODE_BYTES_MAX:
        detail = f"{len(code.capabilities)} capabilities make {len(body):,} bytes, too many for one"
        raise BadRequest(f"{detail} code ({CODE_BYTES_MAX:,})", code="code-too-long")
    _checked(body)
    head = len(body).to_bytes(4, "big") + _check(body)
    return PREFIX + base64.urlsafe_b64encode(head + body).rstrip(b"=").decode()


def read_code(text: str) -> Code:
    """What `text` says, line breaks and blanks in it left out.

    Raises `BadRequest` where it is none, was cut off or mistyped, or is of another version;
    `Unverified` (`code-forged`) where it gives what its giver could not.
    """
    packed = "".join(text.split())
    version = _VERSION.match(packed)
    if version is None:
        detail = f"a code begins with {PREFIX}, this with {packed[:12]!r}"
        raise BadRequest(detail, code="not-a-code")
    if version[0] != PREFIX:
        detail = f"the code is of version {version[1]}, which this Panspermia does not know"
        raise BadRequest(detail + "; update it, or ask for another code", code="code-version")
    return _checked(_body_of(packed.removeprefix(PREFIX)))


def device_rights(code: Code) -> dict[str, bytes]:
    """What a device may write in commons, by class, as device.json has it."""
    return {
        right.granted_area.path[0].decode("latin-1"): encode_capability(right)
        for right in code.rights
        if _makes_device(code, right)
    }


def code_words(code: Code, names: Names) -> list[str]:
    """Who gives what, where, until when, and at which addresses: a sentence each."""
    lines: list[str] = []
    giver, receiver = key_words(code.giver, names), key_words(code.receiver, names)
    if code.type == DEVICE:
        lines.append(f"{receiver} becomes a device of {_who(code.giver, names)}")
        lines.append("Whatever it then writes counts as theirs")
    elif code.capabilities:
        lines.append(f"{_who(code.giver, names)} gives {receiver}:")
    else:
        lines.append(f"Somebody who claims to be {giver} invites {receiver}; no right proves it")
    # Nobody's own words may pass for what this person calls something.
    taken = {*names.values(), COMMONS_NAME}
    proposed: dict[bytes, str] = {
        key: name for key, name in code.namespaces.items() if name not in taken
    }
    here: dict[bytes, str] = {**proposed, **names}
    lines += [
        f"{key_words(one.receiver, names)} {capability_words(one, here)}" for one in code.rights
    ]
    for key, name in sorted(code.namespaces.items(), key=lambda one: one[1]):
        kind = " for everyone who knows its key" if is_communal(key) else ""
        lines.append(f"Joins the namespace {printable(name)}{kind}: {encode_did_key(key)}")
    if code.addresses:
        lines.append(f"Connects to {', '.join(map(printable, code.addresses))}")
    if code.note:
        lines.append(f"They say: {printable(code.note)}")
    return lines


def _who(key: bytes, names: Names) -> str:
    """What it is called here, with the did:key that is meant by it."""
    did = encode_did_key(key)
    return f"{names[key]} ({did})" if key in names else did


def _body_of(characters: str) -> bytes:
    """The CBOR, whole and as it was written."""
    if odd := _NO_CHARACTER.search(characters):
        detail = f"{odd[0]!r} at character {odd.start() + len(PREFIX) + 1} is in no code"
        raise BadRequest(detail, code="code-mistyped")
    if len(characters) > 2 * CODE_BYTES_MAX:
        raise BadRequest(f"a code of {len(characters):,} characters", code="code-too-long")
    try:
        data = base64.urlsafe_b64decode(characters + "=" * (-len(characters) % 4))
    except binascii.Error as error:
        raise _cut("a character is missing") from error
    if len(data) < _HEAD_BYTES:
        raise _cut("it has no more than a beginning")
    size, body = int.from_bytes(data[:4], "big"), data[_HEAD_BYTES:]
    if len(body) < size <= CODE_BYTES_MAX:
        raise _cut(f"{size - len(body)} of {size} bytes are missing at the end")
    is_whole = base64.urlsafe_b64encode(data).rstrip(b"=").decode() == characters
    if size != len(body) or not is_whole or _check(body) != data[4:_HEAD_BYTES]:
        detail = "a character of the code is wrong or too many: copy it whole, or ask for it again"
        raise BadRequest(detail, code="code-mistyped")
    return body


def _checked(body: bytes) -> Code:
    """The code of this CBOR, whose capabilities are valid and really come from its giver."""
    try:
        plain: object = cbor.decode(
            body, bytes_max=CODE_BYTES_MAX, items_max=_ITEMS_MAX, depth_max=2
        )
        fields = msgspec.convert(plain, _Body, builtin_types=(bytes,))
        rights = [decode_capability(one) for one in fields.capabilities]
        for right in rights:
            check_valid(right)
        for address in fields.addresses:
            parse_place(address)
        for name in fields.namespaces.values():
            parse_petname(name)
    except (msgspec.ValidationError, CrdtError, SyncError, InvalidName) as error:
        why = getattr(error, "detail", None) or getattr(error, "sentence", None) or error
        raise Unverified(f"the code is whole, but not valid: {why}", code="code-forged") from error
    namespaces = {NamespaceKey(key): name for key, name in fields.namespaces.items()}
    if len(namespaces) > CODE_NAMESPACES_MAX or COMMONS in namespaces:
        raise Unverified("the code names namespaces that no code names", code="code-forged")
    code = Code(
        fields.type,
        fields.receiver,
        fields.giver,
        namespaces,
        tuple(fields.capabilities),
        tuple(fields.addresses),
        fields.note,
    )
    for right in rights:
        _check_right(code, right)
    if code.type == DEVICE and PUBLIC not in device_rights(code):
        detail = "the code makes no device: it has no right to write what is published"
        raise Unverified(detail, code="code-forged")
    return code


def _check_right(code: Code, right: Capability) -> None:
    is_from = right.chain[-2:-1] == (code.giver,) and right.receiver == code.receiver
    # What the author holds goes along with a device, which may come to hold the author's key.
    is_authors = code.type == DEVICE and right.receiver == code.giver
    is_here = right.namespace == COMMONS or right.namespace in code.namespaces
    # A name in the code is one of a namespace, and never makes a person look like another.
    people = {code.giver, code.receiver, *right.chain, right.granted_area.subspace}
    people -= {right.namespace}
    if not (is_from or is_authors) or not is_here or people & code.namespaces.keys():
        detail = (
            f"it says to be from {encode_did_key(code.giver)} for {encode_did_key(code.receiver)},"
            " but holds a capability of other people or of another place"
        )
        raise Unverified(detail, code="code-forged")


def _makes_device(code: Code, right: Capability) -> bool:
    """Whether by this the device writes for its author in commons: all of one class, for ever."""
    area = right.granted_area
    return (
        right.mode == WRITE
        and right.namespace == COMMONS
        and right.chain == (code.giver, code.receiver)
        and area.subspace == code.giver
        and len(area.path) == 1
        and (area.start, area.end) == (0, None)
    )


def _check(body: bytes) -> bytes:
    return blake3(body).digest()[:_CHECK_BYTES]


def _cut(why: str) -> BadRequest:
    return BadRequest(f"the code was cut off: {why}. Copy all of it", code="code-cut")
