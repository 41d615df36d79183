"""What crosses the API where people are invited, and accept."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from node.api.models import Did, Place, Request
from node.api.routes.namespaces import Passphrase
from node.invites import CODE_ADDRESSES_MAX, CODE_BYTES_MAX, NOTE_CHARACTERS_MAX
from node.services.live_invites import LIFE_S, LIFE_S_MAX, LIFE_S_MIN
from node.words import AREA_CHARACTERS_MAX

AREAS_MAX = 32
"""In one invite; more are several."""
MOMENT_CHARACTERS_MAX = 40

Addresses = Annotated[
    tuple[Annotated[str, Meta(max_length=300)], ...], Meta(max_length=CODE_ADDRESSES_MAX)
]
Moment = Annotated[str, Meta(min_length=1, max_length=MOMENT_CHARACTERS_MAX)]
CodeText = Annotated[str, Meta(min_length=1, max_length=2 * CODE_BYTES_MAX)]


class NewInvite(Request, frozen=True):
    receiver: Did | None = None
    """The author it is for: a did:key, or a petname. None: whoever has the short code, once."""
    namespace: Place = "commons"
    level: Literal["read", "write", "admin"] | None = None
    """To read, where nothing is said; in commons, to write the areas."""
    areas: Annotated[
        tuple[Annotated[str, Meta(max_length=AREA_CHARACTERS_MAX)], ...], Meta(max_length=AREAS_MAX)
    ] = ()
    """Instead of what is usual at this level: `me/pub/mod/io.x@..2027-01-01`."""
    until: Moment | None = None
    note: Annotated[str, Meta(max_length=NOTE_CHARACTERS_MAX)] = ""
    called: Annotated[str, Meta(max_length=64)] | None = None
    """Without a receiver: what to be called there, as a proposal; else what `p2p.name` says."""
    addresses: Addresses | None = None
    """Where to reach this node; its own, where none are given."""
    device: bool = False
    """Without a receiver: whoever uses it becomes a device of this author."""
    expires_s: Annotated[int, Meta(ge=LIFE_S_MIN, le=LIFE_S_MAX)] = LIFE_S
    """Without a receiver: how long it can be used."""
    passphrase: Passphrase | None = None


class CodeMade(Struct, frozen=True):
    code: str
    words: tuple[str, ...]
    """What it gives, a sentence each."""
    id: str | None = None
    """Of a short one, by which it is listed and cancelled."""
    link: str | None = None
    """The same with where to call: for a QR."""
    expires_at: str | None = None
    qr: tuple[str, ...] = ()
    """The link as a QR, row by row with its quiet zone: `1` is dark, `0` is light."""


class GivenCode(Request, frozen=True):
    code: CodeText
    dry_run: bool = False
    """Only say what it would do."""
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """What to call its namespace here, instead of what it proposes; of a short one, who made it."""
    unnamed: bool = False
    """Of a short one: do not call who made it as they propose."""
    namespace: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """What to call its namespace here."""
    called: Annotated[str, Meta(max_length=64)] | None = None
    """Of a short one: what to be called there, as a proposal; else what `p2p.name` says."""
    offer: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    """Of a short one: what a dry run gave. Nothing else is taken then."""
    replace: bool = False
    """Become somebody's device, though this home published as another author."""
    passphrase: Passphrase | None = None


class Reached(Struct, frozen=True):
    address: str
    connected: bool
    detail: str
    """Why not; empty where it is."""


class AcceptedCode(Struct, frozen=True):
    type: Literal["grant", "device", "pair"]
    giver: str
    receiver: str
    words: tuple[str, ...]
    dry_run: bool
    kept: int
    """Capabilities that are kept now, with those handed on to this device."""
    namespaces: tuple[str, ...]
    addresses: tuple[Reached, ...]
    starts_again: bool
    """The node starts again now, as another author's device."""
    set_aside: str | None
    """Where the key of the former author lies."""
    offer: str | None = None
    """Of a short one: the digest of what is offered."""
    device: str | None = None
    """Of a short one: the device that made it."""
    name: str | None = None
    """Of a short one: what its maker is called here from now on, or was before."""
    digits: str | None = None
    """Of a short one: the same at both nodes, to be compared by voice."""


class InviteItem(Struct, frozen=True):
    """A short one, without its secret."""

    id: str
    state: str
    """`open`, `claimed` (given, and not known to have arrived), `used`, `expired`, `cancelled`,
    or `dead`: guessed wrong too often."""
    type: str
    """`pair` or `device`; `unreadable` where another version stored it: cancel it, and it goes."""
    words: tuple[str, ...]
    made_at: str
    expires_at: str
    ended_at: str | None
    wrong: int
    """Guesses."""
    did: str | None
    """Who used it."""
    name: str | None
    """What you call them."""
    called: str
    """How they call themselves: a proposal, and never a name here; empty where they did not say."""
    device: str | None
    digits: str | None
    """The same as they see, to be compared by voice."""


class InviteList(Struct, frozen=True):
    invites: tuple[InviteItem, ...]


class Progressed(Struct, frozen=True):
    """A line on the way to a result."""

    event: Literal["progress"]
    text: str
