"""Petnames: this person's own words for authors, kept, and put in place of what was written.

Every name of a module or of an author that a person writes is resolved here; the registry below and
all that is signed, locked or sent know full names only.
"""

from node.errors import Conflict, NotFound
from registry.errors import UnknownPetname
from registry.names import (
    ModuleName,
    Reference,
    check_did,
    is_did,
    parse_owner,
    parse_petname,
)
from storage.petnames import Petname
from storage.store import Store


async def written_name(store: Store, reference: Reference) -> ModuleName:
    """With the author for the petname; a bare id stays bare. Raises `UnknownPetname`."""
    used = () if reference.petname is None else (reference.petname,)
    return reference.named(await store.authors_called(used))


async def author_meant(store: Store, text: str) -> str:
    """The did:key that `text` is or means. Raises `InvalidName` or `UnknownPetname`."""
    owner = parse_owner(text)
    if is_did(owner):
        return owner
    return (await find_name(store, owner)).author


async def all_petnames(store: Store) -> dict[str, str]:
    """Name → did:key."""
    names, _ = await store.petnames()
    return {one.name: one.author for one in names}


async def set_name(
    store: Store, name: str, author: str, *, replaces: bool
) -> tuple[Petname | None, Petname]:
    """What `name` meant before, and that it means `author` now.

    Raises `InvalidName`, `OverQuota`, or `Conflict` where it means somebody else and `replaces` was
    not said: whoever repoints a name unseen has the next `install name/…` bring their own module.
    """
    parse_petname(name)
    check_did(author)
    before, now = await store.set_petname(name, author, replaces=replaces)
    if now.author != author:
        detail = (
            f"{name} means {now.author} here, and goes on to."
            f' Should it mean {author}, say so: --replace, or "replace": true'
        )
        raise Conflict(detail, code="name-taken", candidates=(now.author,))
    return before, now


async def find_name(store: Store, name: str) -> Petname:
    """What it means. Raises `InvalidName` or `UnknownPetname`."""
    found = await store.petname(parse_petname(name))
    if found is None:
        raise UnknownPetname((name,))
    return found


async def remove_name(store: Store, name: str) -> None:
    """Raises `InvalidName`, or `NotFound` where it means nobody."""
    if not await store.remove_petname(parse_petname(name)):
        detail = f"{name!r} is nobody's name here; see `panspermia name list`"
        raise NotFound(detail, code=UnknownPetname.code)
