"""Keys that were used in two places, as they cross the API."""

from msgspec import Struct

from crdt.did import encode_did_key
from node.words import Names, key_words, record_text
from storage.forks import Fork


class TwinItem(Struct, frozen=True):
    entry: str
    counts: bool
    code: str | None


class ForkItem(Struct, frozen=True):
    """A key that signed different things with one number."""

    key: str
    who: str
    record: str
    seq: int
    entries: tuple[TwinItem, ...]
    """Any two of them are proof; those that count come first."""


def show_fork(one: Fork, names: Names) -> ForkItem:
    return ForkItem(
        key=encode_did_key(one.key),
        who=key_words(one.key, names),
        record=record_text(one.document),
        seq=one.seq,
        entries=tuple(TwinItem(each.id.hex(), each.code is None, each.code) for each in one.twins),
    )
