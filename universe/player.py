"""A player's record: who somebody is in games, as they say it themselves.

```
class pub, kind player, record = the id that the game gave, as text    head and tags: see registry
head  name = the display name, description = about, one paragraph
body  links                                                            CBOR [text], or nothing
```
Whoever signs for a player is the author, whatever the id says: the same id of another author is
somebody else. Times are those that the author signed. Documents come from strangers: `player_of`
raises `MalformedRecord` and nothing else.
"""

from typing import Final

import msgspec

from crdt import cbor
from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Editor, Scalar
from crdt.errors import Malformed
from registry.deletion import undelete
from registry.edits import Edit
from registry.errors import InvalidName, MalformedRecord, Problem, quoted
from registry.fields import Plain, map_at, typed, unsafe_line
from registry.head import (
    Head,
    Words,
    check_words,
    head_of,
    line_problem,
    put_all,
    put_head,
    refuse,
    touch,
)
from storage.listing import Listing

CLASS, KIND, WORD = "pub", "player", "player"

ID_BYTES_MAX: Final = 128
"""With a did:key and a slash it fits the record of a rating."""
LINKS_MAX: Final = 8
LINK_CHARACTERS_MAX: Final = 256
LINKS_BYTES_MAX: Final = 12 * 1024
"""All of them, at four bytes a character."""
SCHEMES: Final = ("https://", "http://")


class Player(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A player as people see them. Times are ms since 1970."""

    id: str
    author: str
    """did:key of who signed it."""
    display_name: str
    about: str
    links: tuple[str, ...]
    created_at: int
    updated_at: int

    @property
    def full_name(self) -> str:
        return f"{self.author}/{self.id}"


def parse_player_id(text: str) -> str:
    """`text` itself, if a player may be called so. Raises `InvalidName`."""
    if not text or len(text.encode(errors="replace")) > ID_BYTES_MAX:
        raise InvalidName(f"{quoted(text)} is no id of a player: 1 to {ID_BYTES_MAX} bytes")
    if why := "holds a slash" if "/" in text else unsafe_line(text):
        raise InvalidName(f"{quoted(text)} is no id of a player: it {why}")
    return text


def register_player(
    display_name: str | None,
    about: str | None = None,
    links: tuple[str, ...] | None = None,
    *,
    now_us: int,
    created_us: int | None = None,
) -> Edit:
    """Say this of the player, or say it anew; nothing changes where it is said already.

    None leaves what is there. `now_us`, `created_us`: µs since 1970, the latter of a player who was
    registered elsewhere before. Raises `InvalidRecord` that names every
    field which is wrong.
    """
    words = Words(display_name, about, license=None, tags=None, created_us=created_us)
    check_words(words)
    refuse(_link_problems(links or ()))
    values: dict[str, Scalar] = {"links": None if links is None else _encode_links(links)}

    def edit(editor: Editor) -> None:
        undelete()(editor)
        is_changed = put_head(editor, words, now_us=now_us)
        if put_all(editor, "body", values) or is_changed:
            touch(editor, now_us)

    return edit


def player_of(document: DocumentId, value: Plain) -> Player:
    """Raises `MalformedRecord`."""
    return _read(document, value)[0]


def player_listing(document: DocumentId, value: Plain) -> Listing:
    """Its row in lists and search. Raises `MalformedRecord`."""
    player, head = _read(document, value)
    return Listing(
        kind=WORD,
        author=player.author,
        record=player.id,
        name=player.display_name,
        description=player.about,
        tags=head.tags,
        text="\n".join((player.id, *player.links)),
        created_us=head.created_us,
        updated_us=head.updated_us,
        fields=msgspec.json.encode(player),
    )


def listed_player(fields: bytes) -> Player:
    """From the row that `player_listing` made."""
    return msgspec.json.decode(fields, type=Player)


def _read(document: DocumentId, value: Plain) -> tuple[Player, Head]:
    if (document.cls, document.kind) != (CLASS, KIND):
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, not of a {WORD}")
    try:
        id = parse_player_id(document.record.decode())
    except (UnicodeDecodeError, InvalidName) as error:
        raise MalformedRecord(f"a player under a record that is no id: {error}") from error
    head, body = head_of(value), map_at(value, "body")
    player = Player(
        id=id,
        author=encode_did_key(document.subspace),
        display_name=head.name or id,
        about=head.description,
        links=_links(body),
        created_at=head.created_us // 1_000,
        updated_at=head.updated_us // 1_000,
    )
    return player, head


def _link_problems(links: tuple[str, ...]) -> list[Problem]:
    if len(links) > LINKS_MAX:
        return [Problem("/links", f"{len(links)} links, at most {LINKS_MAX}")]
    return [
        Problem(f"/links/{place}", problem)
        for place, link in enumerate(links)
        if (problem := _link_problem(link))
    ]


def _link_problem(link: str) -> str | None:
    if not link.startswith(SCHEMES):
        return f"is no address of a page: it begins with {' or '.join(SCHEMES)}"
    if any(character.isspace() for character in link):
        return "holds a space"
    return line_problem(link, LINK_CHARACTERS_MAX)


def _encode_links(links: tuple[str, ...]) -> bytes:
    """b"" for none."""
    return cbor.encode(list(links)) if links else b""


def _links(body: Plain) -> tuple[str, ...]:
    encoded = typed(body.get("links", b""), bytes, "links")
    if not encoded:
        return ()
    try:
        read = cbor.decode(encoded, bytes_max=LINKS_BYTES_MAX, depth_max=1)
        links = msgspec.convert(read, tuple[str, ...])
    except (Malformed, msgspec.ValidationError) as error:
        raise MalformedRecord(f"its links cannot be read: {error}") from error
    if problems := _link_problems(links):
        raise MalformedRecord(f"links: {problems[0].detail}")
    return links
