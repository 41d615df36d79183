"""Which blobs that records name are kept here, and which of those that are give way.

    claims (who names what, how large, when)     ┐
    what is kept already, what nobody gave       ├─▸ `decide` ─▸ what to fetch, in turn
    the budget                                   ┘               what may go, the first to go first

The budget is shared among *parties*: each author whom this person chose, and each namespace that
was joined, which its writers share in the same way. An author's newest blobs are chosen first, as
many as fit its share: so whoever names a thousand more pushes out none but their own. What is
chosen depends on no order of arrival and on nothing that is kept: it is chosen again where it is.

What is here and was not chosen stays until something that was chosen needs its room, so nothing is
let go for a blob that nobody has. Pure: time is the caller's.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from crdt.blob import BlobId
from crdt.keys import AuthorKey, NamespaceKey
from node.keeping.shares import fair_shares

TOLD_MAX: Final = 1_000
"""Of what has no room."""
UNIVERSES_MAX: Final = 4
"""Of one state: those of authors who were chosen first."""
_NONE: Final = NamespaceKey(b"")


# Tens of thousands are made at a time: tracked, they would make the collector stop the loop.
class Claim(Struct, frozen=True, gc=False):
    """A record that is shown names a blob."""

    blob: BlobId
    author: AuthorKey
    """In whose subspace the record is."""
    namespace: NamespaceKey | None
    """Whose writers share; None: the author was chosen, and has a share of the budget itself."""
    size: int
    """Bytes, as the record says."""
    at_us: int
    """When it was published, as its author says: it orders only what is this author's."""
    universe: int = 0
    """Of which it is a state, by the record's number here; 0: of none."""


class Kept(Struct, frozen=True, gc=False):
    """A blob that this node began to fetch by itself."""

    blob: BlobId
    author: AuthorKey
    """Who named it then."""
    size: int
    """All of it, also where only a part is here."""
    is_whole: bool = True
    is_named: bool = True
    """Whether any record that counts names it, also one that was not looked at."""


class Why(Enum):
    """Why a claim has no room."""

    TOO_LARGE = "larger than the share"
    FULL = "the share is full"


class Wanted(Struct, frozen=True, gc=False):
    """A blob that was chosen."""

    blob: BlobId
    size: int
    """At most so many bytes are fetched."""
    author: AuthorKey
    """In whose share it lies."""
    namespace: NamespaceKey | None
    universe: int = 0
    """As of its claim: of one universe one is fetched at a time, so that each has another's bytes
    to come as what differs from them."""
    beside: tuple[int, ...] = ()
    """Of which it is a state as well, as others claim whose share has room for it: whoever names it
    beside what they like, and has the first turn, does not decide alone what it is like."""

    @property
    def universes(self) -> Sequence[int]:
        """All of them."""
        return [each for each in (self.universe, *self.beside) if each]

    @property
    def party(self) -> bytes:
        """Who has one share together."""
        return self.namespace or self.author

    @property
    def whose(self) -> bytes:
        """The author there: whoever names something as theirs elsewhere does not make them wait."""
        return self.author + (self.namespace or _NONE)


@dataclass(frozen=True, slots=True)
class Share:
    """What one author has of the budget."""

    author: AuthorKey
    namespace: NamespaceKey | None
    bytes_max: int
    chosen_bytes: int
    blobs: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for a budget."""

    blobs: Mapping[BlobId, Wanted] = field(default_factory=dict[BlobId, Wanted])
    """Each once, as in its first turn, in the order in which they are fetched."""
    turns: Sequence[Wanted] = ()
    """In that order; each once for each author in whose share it lies: so nobody who names
    another's blob too delays it."""
    shares: Sequence[Share] = ()
    without_room: Sequence[tuple[Claim, Why]] = ()
    """The first `TOLD_MAX` of them."""
    no_room: Mapping[Why, int] = field(default_factory=dict[Why, int])
    """How many there are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    budget: int
    chosen: Choice
    queue: Sequence[Wanted] = ()
    """To be fetched, in turn. What is kept and leaves makes room for it."""
    beside: Sequence[Wanted] = ()
    """To be fetched where there is room in any case: what was chosen instead, nobody gives."""
    turns: Sequence[Wanted] = ()
    """Of both, as in `Choice`."""
    leaving: Sequence[Kept] = ()
    """Kept and not chosen, in the order in which it goes."""
    own: frozenset[BlobId] = frozenset()
    """This person's, by another device: of what is kept and goes, the last."""
    unnamed: frozenset[BlobId] = frozenset()
    """Of what leaves, what nobody who counts names any more."""
    left_out: int = 0
    """Claims that were not looked at: there are too many."""


def decide(
    claims: Collection[Claim],
    kept: Collection[Kept],
    budget: int,
    absent: Collection[BlobId] = (),
    left_out: int = 0,
    own: Collection[AuthorKey] = (),
) -> Plan:
    """`absent`: blobs of which nobody gave anything of late. Of `claims` none is of a blob that is
    here for another reason than that it is kept; so many more are `left_out`. `own`: this person's
    authors.
    """
    chosen = beside = choose(claims, budget)
    missing = frozenset(absent) - {one.blob for one in kept}
    if missing:
        beside = choose([one for one in claims if one.blob not in missing], budget)
    whole = {one.blob for one in kept if one.is_whole}
    named_here = {one.blob for one in claims if one.author in own and one.namespace is None}
    ours = named_here.union(one.blob for one in kept if one.is_named and one.author in own)

    def turn(one: Kept) -> tuple[bool, bool, bool, BlobId]:
        return one.blob in ours, one.is_named, _stays(one, beside), one.blob

    def is_beside(one: Wanted) -> bool:
        return one.blob not in whole and one.blob not in chosen.blobs

    return Plan(
        budget,
        chosen,
        queue=[one for one in chosen.blobs.values() if one.blob not in whole],
        beside=[one for one in beside.blobs.values() if is_beside(one)],
        turns=[
            *(one for one in chosen.turns if one.blob not in whole),
            *(one for one in beside.turns if is_beside(one)),
        ],
        leaving=sorted((one for one in kept if not _stays(one, chosen)), key=turn),
        own=frozenset(ours),
        unnamed=frozenset(one.blob for one in kept if not (one.is_named and budget)),
        left_out=left_out,
    )


def _stays(one: Kept, choice: Choice) -> bool:
    """Whether it was chosen, and is no larger than the records say by which it was."""
    wanted = choice.blobs.get(one.blob)
    return wanted is not None and one.size <= wanted.size


def choose(claims: Iterable[Claim], budget: int) -> Choice:
    """What fits, by what records say: so it is the same whatever is here."""
    by_author = _by_author(claims)
    if budget <= 0 or not by_author:
        return Choice()
    shares = _shares(by_author, budget)
    told: list[tuple[Claim, Why]] = []
    # What is larger than the share never counts: else who names a blob of a terabyte would take
    # half of what others have, for nothing.
    for author, theirs in by_author.items():
        fitting = [one for one in theirs if one.size <= shares[author]]
        told += [(one, Why.TOO_LARGE) for one in theirs if one.size > shares[author]]
        by_author[author] = fitting
    shares = _shares(by_author, budget)
    taken: dict[BlobId, int] = {}
    lined: list[tuple[int, Claim]] = []
    said: list[Share] = []
    for author in by_author:
        left, count, turn = shares[author], 0, 0
        for one in by_author[author]:
            # It counts once, for the first; but for whoever says less of it than there is.
            if taken.get(one.blob, 0) < one.size:
                if one.size > left:
                    told.append((one, Why.FULL))
                    continue
                left -= one.size
                taken[one.blob] = one.size
                count += 1
            lined.append((turn, one))
            turn += 1
        share, namespace = shares[author], author[0] or None
        said.append(Share(author[1], namespace, share, share - left, count))
    turns = _in_turns(lined, taken)
    blobs: dict[BlobId, Wanted] = {}
    for wanted in turns:
        blobs.setdefault(wanted.blob, wanted)
    without = [(one, why) for one, why in told if one.blob not in taken]
    no_room = Counter(why for _, why in without)
    return Choice(blobs, turns, said, without[:TOLD_MAX], no_room)


def _in_turns(lined: Collection[tuple[int, Claim]], sizes: Mapping[BlobId, int]) -> list[Wanted]:
    """In turns of one each: whoever names many delays nobody. The small ones of a turn come first.

    `sizes`: the largest by which each was chosen; so much may be fetched, whoever's turn it is.
    """

    universes: dict[BlobId, tuple[int, ...]] = {}

    def place(each: tuple[int, Claim]) -> tuple[int, int, BlobId, bytes, AuthorKey]:
        turn, one = each
        return turn, sizes[one.blob], one.blob, one.namespace or _NONE, one.author

    def wanted(one: Claim) -> Wanted:
        beside = tuple(each for each in universes.get(one.blob, ()) if each != one.universe)
        size = sizes[one.blob]
        return Wanted(one.blob, size, one.author, one.namespace, one.universe, beside)

    for _, one in lined:
        known = universes.get(one.blob, ())
        if one.universe and one.universe not in known and len(known) < UNIVERSES_MAX:
            universes[one.blob] = (*known, one.universe)
    return [wanted(one) for _, one in sorted(lined, key=place)]


_Author: TypeAlias = tuple[NamespaceKey, AuthorKey]
"""An author in a namespace that shares; in none (empty) where the author was chosen."""


def _by_author(claims: Iterable[Claim]) -> dict[_Author, list[Claim]]:
    """Of each author each blob once, the newest first."""
    found: dict[_Author, dict[BlobId, Claim]] = defaultdict(dict)
    for one in claims:
        claim = one if one.size else replace(one, size=1)
        theirs = found[one.namespace or _NONE, one.author]
        # Of two records of one author the larger size counts: whoever was let in to say less of it
        # keeps it from nobody.
        theirs[one.blob] = max(theirs.get(one.blob, claim), claim, key=lambda x: (x.size, -x.at_us))
    return {
        author: sorted(theirs.values(), key=lambda one: (-one.at_us, one.size, one.blob))
        for author, theirs in sorted(found.items())
    }


def _shares(by_author: Mapping[_Author, Sequence[Claim]], budget: int) -> dict[_Author, int]:
    """Of the budget among parties, and of a party's share among its writers."""
    wanted = {author: sum(one.size for one in theirs) for author, theirs in by_author.items()}
    parties: dict[tuple[bytes, bytes], dict[_Author, int]] = defaultdict(dict)
    for author, size in wanted.items():
        namespace, key = author
        parties[namespace, b"" if namespace else key][author] = size
    whole = fair_shares({party: sum(each.values()) for party, each in parties.items()}, budget)
    return {
        author: share
        for party, each in parties.items()
        for author, share in fair_shares(each, whole[party]).items()
    }


def to_go(leaving: Iterable[Kept], bytes_wanted: int, spared: Collection[BlobId]) -> list[Kept]:
    """The first of them that make so much room together; fewer where there is no more."""
    going: list[Kept] = []
    for one in leaving:
        if bytes_wanted <= 0:
            break
        if one.blob not in spared:
            going.append(one)
            bytes_wanted -= one.size
    return going
