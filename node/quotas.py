"""Quotas as people write them in `[quota]`, and how full they are as people read it.

strangers = "1GiB"                            of all whom nobody here follows, together
namespace = "1GiB"                            of an owned namespace that was joined, of each
areas = ["commons/*/rate=64MiB"]              NAMESPACE/AUTHOR/CLASS/KIND/RECORD=SIZE, * is any;
                                              NAMESPACE is commons or the did:key of another
"""

from typing import Final

from msgspec import Struct

from crdt.did import decode_did_key, encode_did_key
from crdt.errors import CrdtError
from crdt.keys import AuthorKey
from crdt.path import CLASSES
from node.api.status_models import RoomState
from node.config import QuotaConfig
from node.errors import BadSetting
from node.refusals import who
from node.services.places import place_of
from storage.quota import AreaQuota, Quota
from storage.store import Store
from storage.usages import Room as Usage

UNITS: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
ANY: Final = "*"
PARTS_MAX: Final = 5
BEFORE: Final = "before this was noted"
"""Who brought what a home held when its node began to count."""


class AuthorRoom(Struct, frozen=True):
    author: str
    bytes: int
    entries: int
    followed: bool
    kept_out: int


class GuestRoom(Struct, frozen=True):
    """What an author let one key, and whoever came through it, write in records of theirs."""

    guest: str
    author: str
    bytes: int
    bytes_max: int
    entries: int
    kept_out: int


class SourceRoom(Struct, frozen=True):
    source: str
    author: str | None
    """For whom the source has proved to speak."""
    bytes: int
    strangers_bytes: int


class NamespaceRoom(Struct, frozen=True):
    namespace: str
    name: str | None
    """None where it was left."""
    bytes: int
    bytes_max: int


class AreaRoom(Struct, frozen=True):
    area: str
    bytes: int
    bytes_max: int


class Room(Struct, frozen=True):
    """Who takes how much; the first of each."""

    room: RoomState
    author_bytes_max: int
    peer_bytes_max: int
    share_bytes_max: int
    authors: tuple[AuthorRoom, ...]
    guests: tuple[GuestRoom, ...]
    sources: tuple[SourceRoom, ...]
    namespaces: tuple[NamespaceRoom, ...]
    """Owned ones: each has room of its own."""
    member_bytes_max: int
    areas: tuple[AreaRoom, ...]


def size_of(text: str) -> int:
    """`1.5GiB` in bytes; the configuration has checked its shape."""
    number = text.rstrip("BKMGTi ")
    return int(float(number) * UNITS[text.removeprefix(number).strip()])


def quota_of(config: QuotaConfig, own: AuthorKey) -> Quota:
    """For the store of this author's node. Raises `BadSetting`."""
    return Quota(
        strangers_bytes=size_of(config.strangers),
        author_bytes=size_of(config.author),
        peer_bytes=size_of(config.peer),
        share_bytes=size_of(config.share),
        namespace_bytes=size_of(config.namespace),
        member_bytes=size_of(config.member),
        disk_free_bytes=size_of(config.disk_free),
        areas=tuple({text: area_of(text) for text in config.areas}.values()),
        own=frozenset({own}),
    )


def area_of(text: str) -> AreaQuota:
    """Raises `BadSetting` that says which part is wrong."""
    path, _, size = text.rpartition("=")
    parts = path.split("/", PARTS_MAX - 1)
    namespace, author, cls, kind, record = (
        None if part == ANY else part for part in (*parts, *[ANY] * (PARTS_MAX - len(parts)))
    )
    if cls not in (None, *CLASSES):
        raise BadSetting(f"quota.areas: {text!r} names no class; there are {', '.join(CLASSES)}")
    try:
        where = place_of(namespace or ANY)
    except CrdtError as error:
        raise BadSetting(
            f"quota.areas: {text!r} begins with no namespace, commons or a did:key: {error.detail}"
        ) from error
    try:
        key = None if author is None else AuthorKey(decode_did_key(author))
    except CrdtError as error:
        raise BadSetting(f"quota.areas: {text!r} names no author: {error.detail}") from error
    return AreaQuota(
        text, size_of(size), where, key, cls, kind, None if record is None else record.encode()
    )


def room_state(room: Usage, quota: Quota) -> RoomState:
    """As people are told it."""
    return RoomState(room.strangers_bytes, quota.strangers_bytes, room.kept_out)


async def show_room(store: Store, limit: int) -> Room:
    """Who takes most."""
    names = {one.namespace: one.name for one in await store.joined()}
    return Room(
        room=room_state(await store.room(), store.quota),
        author_bytes_max=store.quota.author_bytes,
        peer_bytes_max=store.quota.peer_bytes,
        share_bytes_max=store.quota.share_of(),
        authors=tuple(
            AuthorRoom(
                encode_did_key(one.author), one.bytes, one.entries, one.is_followed, one.kept_out
            )
            for one in await store.usage_of_authors(limit)
        ),
        guests=tuple(
            GuestRoom(
                encode_did_key(one.guest),
                encode_did_key(one.author),
                one.bytes,
                store.quota.member_bytes,
                one.entries,
                one.kept_out,
            )
            for one in await store.usage_of_guests(limit)
        ),
        sources=tuple(
            SourceRoom(
                who(one.key) or BEFORE,
                encode_did_key(one.author) if one.author else None,
                one.bytes,
                one.strangers_bytes,
            )
            for one in await store.usage_of_sources(limit)
        ),
        namespaces=tuple(
            NamespaceRoom(
                encode_did_key(one.namespace),
                names.get(one.namespace),
                one.bytes,
                store.quota.namespace_bytes,
            )
            for one in await store.usage_of_namespaces()
        ),
        member_bytes_max=store.quota.member_bytes,
        areas=tuple(
            AreaRoom(one.name, one.bytes, one.limit_bytes) for one in await store.usage_of_areas()
        ),
    )
