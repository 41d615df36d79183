"""Petnames: what this person calls authors."""

from msgspec import Struct
from starlette.responses import Response

from node.api.endpoint import Call, deletes, reads, writes
from node.api.models import Did, NoQuery, PageQuery, Request
from node.services.names import find_name, remove_name, set_name
from node.wiring import Node
from registry.listed import rfc3339
from storage.petnames import Petname

PATH = "/api/names/{name:rest}"


class NamedAuthor(Struct, frozen=True):
    name: str
    author: str
    """did:key"""
    noted_at: str


class Names(Struct, frozen=True):
    names: tuple[NamedAuthor, ...]
    next: str | None


class NewName(Request, frozen=True):
    author: Did
    """did:key"""
    replace: bool = False
    """Also where the name means another author so far."""


class NameSet(Struct, frozen=True):
    name: str
    author: str
    noted_at: str
    before: str | None
    """Whom the name meant until now."""


async def list_names(node: Node, call: Call[PageQuery, None]) -> Names:
    """What this person calls authors, by name."""
    after = node.cursors.open("names", call.query.cursor)
    names, last = await node.store.petnames(call.query.limit, after)
    return Names(tuple(map(_shown, names)), node.cursors.seal("names", last))


async def get_name(node: Node, call: Call[NoQuery, None]) -> NamedAuthor:
    """Whom a name means."""
    return _shown(await find_name(node.store, call.path["name"]))


async def put_name(node: Node, call: Call[NoQuery, NewName]) -> NameSet:
    """Call an author by a name, in this node only.

    A name that means another author goes on to, and this is a conflict, unless `replace` is true.
    """
    body = call.body
    before, now = await set_name(node.store, call.path["name"], body.author, replaces=body.replace)
    node.relays.hurry()
    node.keeping.wake()
    shown = _shown(now)
    return NameSet(shown.name, shown.author, shown.noted_at, before.author if before else None)


async def delete_name(node: Node, call: Call[NoQuery, None]) -> Response:
    """Forget a name. What was published or installed by it stays.

    Blobs that were kept because its author names them go first where room is needed, and with the
    next collection.
    """
    await remove_name(node.store, call.path["name"])
    node.keeping.wake()
    return Response(status_code=204)


def _shown(one: Petname) -> NamedAuthor:
    return NamedAuthor(one.name, one.author, rfc3339(one.noted_us))


ENDPOINTS = (
    reads("/api/names", list_names, Names, query=PageQuery, problems=(404,)),
    reads(PATH, get_name, NamedAuthor, problems=(422,)),
    writes(PATH, put_name, NameSet, body=NewName, method="PUT", problems=(507,)),
    deletes(PATH, delete_name, problems=(422,)),
)
