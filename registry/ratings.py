"""Ratings and counts of installations or downloads: one small document per author and record rated,
in the author's own subspace, so nobody can write for another.

```
class rate, kind as of what is rated, record = "did:key:…/record" of it in UTF-8
rating    stars 1 to 5, review, updated_us                      no stars: taken back
          counted_us                                            when installs was counted first
installs  {device: int}                                         only where the person opted in
```
An author counts for a module's installations up to `INSTALLS_MAX`, for a download of anything else
once. Keys are free, so a mean over strangers proves little: `summarise` also gives the mean over
the authors one follows.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Editor, counter_value
from registry import genome, lineage, module, seed
from registry.content import parse_identity
from registry.deletion import undelete
from registry.edits import Edit
from registry.errors import InvalidRating, MalformedRecord, NotRated, RegistryError
from registry.fields import TIME_US_MAX
from registry.lineage import parse_lineage_id
from registry.listed import ModuleRating
from registry.names import check_did, parse_id
from registry.plain import as_map
from storage.listing import RatingRow

CLASS = "rate"
KINDS: Final[Mapping[str, str]] = {
    module.KIND: "module",
    genome.KIND: genome.WORD,
    seed.KIND: seed.WORD,
    lineage.KIND: lineage.WORD,
}
"""What can be rated: as a document says it, and the word people use."""
STARS = range(1, 6)
REVIEW_CHARACTERS_MAX = 4_000
# Beyond this an author counts something else than their own installs.
INSTALLS_MAX = 100_000
# One slot a signer: who fetches a genome twice has it once.
DOWNLOADS_MAX = 1

_READERS: Final = {
    module.KIND: parse_id,
    genome.KIND: parse_identity,
    seed.KIND: parse_identity,
    lineage.KIND: parse_lineage_id,
}


def record_of(target: object) -> bytes:
    """The record that rates `target`: a full name, `did/record`."""
    text = str(target)
    assert text.startswith("did:"), "whose it is, a rating must say"
    return text.encode()


def rate(stars: int, review: str, *, now_us: int) -> Edit:
    """Say it, or say it anew. Raises `InvalidRating`."""
    if stars not in STARS:
        raise InvalidRating(f"{stars} stars; a rating has 1 to 5")
    if len(review) > REVIEW_CHARACTERS_MAX:
        raise InvalidRating(
            f"a review of {len(review)} characters, at most {REVIEW_CHARACTERS_MAX}"
        )

    def edit(editor: Editor) -> None:
        undelete()(editor)
        editor.put(("rating", "stars"), stars)
        editor.put(("rating", "review"), review)
        editor.put(("rating", "updated_us"), now_us)

    return edit


def take_back(*, now_us: int) -> Edit:
    """The rating is gone; that there was one stays visible in the history.

    The edit raises `NotRated`.
    """

    def edit(editor: Editor) -> None:
        if editor.get(("rating", "stars")) is None:
            raise NotRated("there is no rating of yours to take back")
        editor.delete(("rating", "stars"))
        editor.delete(("rating", "review"))
        editor.put(("rating", "updated_us"), now_us)

    return edit


def count_install(*, now_us: int) -> Edit:
    """One more installation or download by this device; only for people who opted in, as it tells
    what they use. When the first one was is kept.
    """

    def edit(editor: Editor) -> None:
        editor.increment(("installs",), 1)
        if editor.get(("rating", "counted_us")) is None:
            editor.put(("rating", "counted_us"), now_us)

    return edit


def rating_of(document: DocumentId, value: Mapping[str, Any]) -> RatingRow:
    """What one author says of one record. Raises `MalformedRecord`, whatever the value is."""
    if document.cls != CLASS or document.kind not in KINDS:
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, not a rating")
    rating, installs = as_map(value.get("rating")), as_map(value.get("installs"))
    if rating is None or installs is None:
        raise MalformedRecord("a rating without its maps")
    return RatingRow(
        target=_target(document.kind, document.record),
        kind=KINDS[document.kind],
        author=encode_did_key(document.subspace),
        stars=_stars(rating.get("stars")),
        review=_review(rating.get("review", "")),
        installs=min(max(counter_value(installs), 0), counted_max(document.kind)),
        updated_us=_time(rating.get("updated_us", 0)),
        counted_us=None if rating.get("counted_us") is None else _time(rating["counted_us"]),
    )


def counted_max(kind: str) -> int:
    """How often one author may count."""
    return INSTALLS_MAX if kind == module.KIND else DOWNLOADS_MAX


def summarise(ratings: Iterable[RatingRow], followed: Collection[str] = ()) -> ModuleRating:
    """Means to two places; `followed` are the did:keys one trusts more."""
    given = [(row.stars, row.author in followed) for row in ratings if row.stars is not None]
    trusted = [stars for stars, is_followed in given if is_followed]
    return ModuleRating(_mean([stars for stars, _ in given]), len(given), _mean(trusted))


def _mean(stars: list[int]) -> float | None:
    return round(sum(stars) / len(stars), 2) if stars else None


def _target(kind: str, record: bytes) -> str:
    try:
        author, _, id = record.decode().partition("/")
        check_did(author)
        _READERS[kind](id)
    except (UnicodeDecodeError, RegistryError) as error:
        raise MalformedRecord(f"a rating of what is no {KINDS[kind]}: {error}") from error
    return f"{author}/{id}"


def _stars(value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or value not in STARS:
        raise MalformedRecord("stars are 1 to 5")
    return value


def _review(value: object) -> str:
    if not isinstance(value, str) or len(value) > REVIEW_CHARACTERS_MAX:
        raise MalformedRecord(f"a review is a text of at most {REVIEW_CHARACTERS_MAX} characters")
    return value


def _time(value: object) -> int:
    if type(value) is not int or not 0 <= value <= TIME_US_MAX:
        raise MalformedRecord("a rating at no time")
    return value
