"""Halves of passages as others sign them, by the thousand."""

from crdt.change import SignedEntry
from crdt.keys import COMMONS
from node.services.passages import document_of
from registry.head import Words
from tests.storage.people import NOW_US, Person
from universe.passage import Said, say_passage

MANY = 1_000
"""As many as one page may have."""


def said_by(
    whose: Person, id: str, source: str, target: str, *, at_us: int = NOW_US, proposal: str = ""
) -> SignedEntry:
    said = Said(source=source, target=target, type="bridge", proposal=proposal or None)
    document = document_of(f"{whose.did}/{id}", "passage", COMMONS)
    (entry,) = whose.writes(document, say_passage(Words(id), said, now_us=at_us))
    return entry


def flood(whose: Person, source: str, target: str, count: int = MANY) -> list[SignedEntry]:
    """All of them changed later than what was said before."""
    return [
        said_by(whose, f"passage:{number}", source, target, at_us=NOW_US + number + 1)
        for number in range(count)
    ]
