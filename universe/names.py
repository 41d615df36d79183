"""What universes are called: an id of their author's choice, and with the author before it a name.

`universe:main` is an id, `did:key:…/universe:main` the full name of one author's.
"""

from typing import Final

from crdt.did import decode_did_key
from crdt.errors import CrdtError
from registry.errors import InvalidName, quoted
from registry.fields import unsafe_line

ID_BYTES_MAX: Final = 128
"""With a did:key and a slash it fits the record of a rating."""
MADE_DIGITS: Final = 32
PREFIX: Final = "universe:"


def parse_universe_id(text: str, what: str = "universe") -> str:
    """`text` itself, if a universe may be called so. Raises `InvalidName`.

    `what` is called so, for people: passages have ids of the same form.
    """
    if not text or len(text.encode(errors="replace")) > ID_BYTES_MAX:
        raise InvalidName(f"{quoted(text)} is no id of a {what}: 1 to {ID_BYTES_MAX} bytes")
    why = "holds a slash" if "/" in text else unsafe_line(text)
    if text.startswith("did:key:"):
        why = "begins as the name of an author"
    if why or not text.strip():
        raise InvalidName(f"{quoted(text)} is no id of a {what}: it {why or 'is only spaces'}")
    return text


def parse_new_id(text: str) -> str:
    """`text` itself, if one may call a universe or a passage so that is not there yet.

    Raises `InvalidName`. Of others' that are there already `parse_universe_id` decides.
    """
    if text in (".", ".."):
        raise InvalidName(f"{quoted(text)} is no id of a universe: addresses leave it out")
    return parse_universe_id(text)


def made_id(drawn: bytes) -> str:
    """For one that nobody named: `drawn` are random."""
    return f"{PREFIX}{drawn.hex()[:MADE_DIGITS]}"


def parse_full_name(text: str, what: str = "universe") -> tuple[str, str]:
    """(author, id) of `did:key:…/id`. `what` as of an id. Raises `InvalidName`."""
    author, slash, id = text.partition("/")
    try:
        decode_did_key(author)
    except CrdtError as wrong:
        raise InvalidName(f"{quoted(text)} is no full name of a {what}: did:key/id") from wrong
    if not slash:
        raise InvalidName(f"{quoted(text)} is no full name of a {what}: did:key/id")
    return author, parse_universe_id(id, what)
