"""Ratings and install counts: one small document per author and module rated, in the author's own
subspace, so nobody can write for another.

```
class rate, kind mod, record = the module rated, "did:key:…/io.univrs.user" in ASCII
rating    stars 1 to 5, review, updated_us                      no stars: taken back
installs  {device: int}                                         only where the person opted in
```
Keys are free, so a mean over strangers proves little: `summarise` also gives the mean over the
authors one follows.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Editor, counter_value
from registry.deletion import undelete
from registry.errors import InvalidRating, MalformedRecord, NotRated, RegistryError
from registry.listed import ModuleRating
from registry.module import TIME_US_MAX
from registry.names import ModuleName, parse_module_name
from registry.plain import as_map
from storage.listing import RatingRow

CLASS, KIND = "rate", "mod"
STARS = range(1, 6)
REVIEW_CHARACTERS_MAX = 4_000
# Beyond this an author counts something else than their own installs.
INSTALLS_MAX = 100_000

Edit = Callable[[Editor], None]


def record_of(module: ModuleName) -> bytes:
    """The record that rates `module`, which must be a full name."""
    assert module.author is not None
    return str(module).encode("ascii")


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


def count_install(editor: Editor) -> None:
    """One more installation by this device; only for people who opted in, as it tells what they
    run.
    """
    editor.increment(("installs",), 1)


def rating_of(document: DocumentId, value: Mapping[str, Any]) -> RatingRow:
    """What one author says of one module. Raises `MalformedRecord`, whatever the value is."""
    if (document.cls, document.kind) != (CLASS, KIND):
        raise MalformedRecord(f"a document of {document.cls}/{document.kind}, not a rating")
    rating, installs = as_map(value.get("rating")), as_map(value.get("installs"))
    if rating is None or installs is None:
        raise MalformedRecord("a rating without its maps")
    return RatingRow(
        target=_target(document.record),
        kind="module",
        author=encode_did_key(document.subspace),
        stars=_stars(rating.get("stars")),
        review=_review(rating.get("review", "")),
        installs=min(max(counter_value(installs), 0), INSTALLS_MAX),
        updated_us=_time(rating.get("updated_us", 0)),
    )


def summarise(ratings: Iterable[RatingRow], followed: Collection[str] = ()) -> ModuleRating:
    """Means to two places; `followed` are the did:keys one trusts more."""
    given = [(row.stars, row.author in followed) for row in ratings if row.stars is not None]
    trusted = [stars for stars, is_followed in given if is_followed]
    return ModuleRating(_mean([stars for stars, _ in given]), len(given), _mean(trusted))


def _mean(stars: list[int]) -> float | None:
    return round(sum(stars) / len(stars), 2) if stars else None


def _target(record: bytes) -> str:
    try:
        name = parse_module_name(record.decode("ascii"))
    except (UnicodeDecodeError, RegistryError) as error:
        raise MalformedRecord(f"a rating of what is no module: {error}") from error
    if name.author is None:
        raise MalformedRecord("a rating of a module without its author")
    return str(name)


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
