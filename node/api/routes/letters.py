"""Letters to and from people, through relays."""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct
from starlette.responses import Response

from crdt.did import encode_did_key
from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import Author, NoQuery, Nothing, Request
from node.api.relay_models import SentLetter
from node.errors import NotFound
from node.services.block import key_meant
from node.services.names import all_petnames
from node.wiring import Node
from p2p.protocol.relay.letter import LETTER_TEXT_BYTES_MAX
from registry.listed import rfc3339
from storage.letters import Letter

Kind: TypeAlias = Literal["text", "code"]
RELAY_CHARACTERS_MAX = 1_024
PATH = "/api/letters/{letter}"


class LetterShown(Struct, frozen=True):
    number: int
    did: str
    """The author for whom the device that signed it speaks."""
    device: str
    name: str
    """What this person calls the author; empty for strangers."""
    kind: str
    """`text`, or `code`: for `panspermia accept`."""
    text: str
    sent_at: str
    """As its writer says."""
    received_at: str
    relay: str
    is_read: bool


class LetterList(Struct, frozen=True):
    letters: tuple[LetterShown, ...]
    """By people with a name here and oneself, the newest first."""
    strangers: tuple[LetterShown, ...]
    """By anybody else."""


class NewLetter(Request, frozen=True):
    to: Author
    """An author, all of whose devices get it, or one device."""
    text: Annotated[str, Meta(min_length=1, max_length=LETTER_TEXT_BYTES_MAX)]
    kind: Kind = "text"
    relay: Annotated[str, Meta(max_length=RELAY_CHARACTERS_MAX)] | None = None
    """Only through this one."""


class LettersSent(Struct, frozen=True):
    sent: tuple[SentLetter, ...]


async def list_letters(node: Node, call: Call[NoQuery, None]) -> LetterList:
    """The inbox; what strangers wrote apart."""
    names = await _names(node)
    shown = [_shown(one, names) for one in await node.store.letters()]
    own = node.identity.did
    near = tuple(one for one in shown if one.name or one.did == own)
    return LetterList(near, tuple(one for one in shown if not one.name and one.did != own))


async def read_letter(node: Node, call: Call[NoQuery, Nothing]) -> LetterShown:
    """One letter, which counts as read from now on."""
    letter = await node.store.letter(_number(call.path["letter"]))
    if letter is None:
        raise _unknown(call.path["letter"])
    return _shown(letter, await _names(node))


async def delete_letter(node: Node, call: Call[NoQuery, None]) -> Response:
    """Its words are gone; it does not come again."""
    if not await node.store.remove_letter(_number(call.path["letter"])):
        raise _unknown(call.path["letter"])
    return Response(status_code=204)


async def send_letter(node: Node, call: Call[NoQuery, NewLetter]) -> LettersSent:
    """Sealed for each device of theirs that a relay knows, and kept there until they take it."""
    body = call.body
    to = await key_meant(node.store, body.to)
    return LettersSent(
        tuple(await node.relays.send_letter(to, body.kind, body.text, relay=body.relay))
    )


async def _names(node: Node) -> dict[str, str]:
    return {did: name for name, did in (await all_petnames(node.store)).items()}


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise _unknown(text)
    return int(text)


def _unknown(text: str) -> NotFound:
    return NotFound(f"there is no letter {text[:32]}", code="unknown-letter")


def _shown(one: Letter, names: dict[str, str]) -> LetterShown:
    did = encode_did_key(one.author)
    return LetterShown(
        number=one.number,
        did=did,
        device=encode_did_key(one.device),
        name=names.get(did, ""),
        kind=one.kind,
        text=one.text,
        sent_at=rfc3339(one.sent_us),
        received_at=rfc3339(one.received_us),
        relay=one.relay,
        is_read=one.is_read,
    )


ENDPOINTS = (
    # What people write to each other is not for every program on this machine.
    reads("/api/letters", list_letters, LetterList, access="write"),
    writes("/api/letters", send_letter, LettersSent, body=NewLetter, status=201, problems=(504,)),
    writes(f"{PATH}/read", read_letter, LetterShown, body=Nothing, problems=(404,)),
    deletes(PATH, delete_letter),
)
