"""What somebody looks for: words, and what else must be so."""

from functools import lru_cache
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from crdt.keys import NamespaceKey
from storage.list_cursors import TIME_MAX
from storage.search_words import wanted_words

SearchSort: TypeAlias = Literal["relevance", "recent", "rating", "downloads", "fitness", "name"]

WORDS_MAX: Final = 16
QUERY_CHARS_MAX: Final = 512


class Wanted(Struct, frozen=True):
    """A search. `tags` and `terms`: all of them."""

    text: str = ""
    kind: str | None = None
    author: str | None = None
    tags: tuple[str, ...] = ()
    sort: SearchSort = "relevance"
    namespaces: tuple[NamespaceKey, ...] | None = None
    """Any of these; None where the index holds no others, which is quicker."""
    horizon_us: int = TIME_MAX
    """What claims to be newer is last by `recent`."""
    terms: tuple[str, ...] = ()
    """See `Facts.terms`."""
    licenses: tuple[str, ...] = ()
    format: str | None = None
    size_min: int | None = None
    size_max: int | None = None
    facets: tuple[str, ...] = ()
    """Of `FACETS`."""

    @property
    def is_of_lists(self) -> bool:
        """Whether lists can answer it, without the index."""
        needs_index = (self.terms, self.licenses, self.format, self.facets)
        sizes = (self.size_min, self.size_max)
        return not (self.words or any(needs_index) or sizes != (None, None)) and (
            self.sort != "fitness"
        )

    @property
    def is_by_worth(self) -> bool:
        return self.sort == "relevance" and bool(self.words)

    @property
    def words(self) -> tuple[str, ...]:
        return _words_of(self.text[:QUERY_CHARS_MAX])


@lru_cache(maxsize=64)
def _words_of(text: str) -> tuple[str, ...]:
    """Asked for many times within one search."""
    return tuple(wanted_words(text, WORDS_MAX))
