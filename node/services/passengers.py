"""Who is to travel: as a game tells it, and which traveller that is by the receipts of its gate.

A partner has as many of one soul let in as they like, each with a long story. So they are read one
after the other, and whoever is meant may be named by the universe that they come from.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from node.errors import Rejected
from node.services.coming import read_in_turn
from node.services.gatebooks import Books
from registry.errors import CannotTravel, RegistryError
from registry.formats.errors import FormatError
from registry.formats.primordium_migration import read_migration
from universe.lines import Lines
from universe.receipts import ARRIVAL, DEPARTURE, RETURN, Checked, Who
from universe.travel import In, place_of

MIGRATION_FORMAT: Final = "primordium-migration"
SHOWN_MAX: Final = 5
"""Of those of whom one is meant, in a message."""
SOUL: Final = "(`soul`, --soul NAME in the shell)"
ORIGIN: Final = "(`origin`, --origin UNIVERSE in the shell)"
"""Where each is said: in a request, and beside a command."""
_WAS_HERE: Final = frozenset({ARRIVAL, DEPARTURE, RETURN})


@dataclass(frozen=True, slots=True)
class _Known:
    """Of several who were in a universe once."""

    here: list[Who]
    unread: list[Who]
    """Of whom it is not known: too much depends on it, or it is damaged here."""

    @property
    def likely(self) -> list[Who]:
        return [*self.here, *self.unread]

    @property
    def only(self) -> Who | None:
        """Who is meant, where there is no doubt."""
        return self.here[0] if len(self.here) == 1 and not self.unread else None

    def count_text(self, what: str) -> str:
        text = f"{len(self.here)} {what} are here"
        more = f", and of {len(self.unread)} more how they came is too long, or damaged"
        return text + more if self.unread else text


@dataclass(frozen=True, slots=True)
class Passenger:
    """Who is to go, as a game tells it."""

    data: bytes
    soul: str
    """Empty only for a MigrateEntity: whoever of that dna is here."""
    format: str = "json"
    origin: str | None = None
    """Full name of the universe it comes from; None for whoever of that soul is here."""


def migration_passenger(
    data: bytes, soul: str | None, origin: str | None = None, migration: bytes | None = None
) -> tuple[bytes, Passenger]:
    """(migration id, who) of a MigrateEntity message, kept as it is.

    `migration`: what the journey is to be called; the message says it itself.
    Raises `InvalidFile`, `Rejected` (`invalid-body`) where these are two.
    """
    id = uuid.UUID(_told(data)[0])
    if migration not in (None, id.bytes):
        detail = (
            f"a MigrateEntity names its own journey, this one {id.hex}: leave `migration`"
            " (--migration in the shell) out"
        )
        raise Rejected(detail, code="invalid-body")
    return id.bytes, Passenger(data, soul or "", MIGRATION_FORMAT, origin)


async def who_goes(books: Books, source: str, who: Passenger, before: Checked | None) -> Who:
    """Which traveller is meant; `before`: what was signed for this migration already.

    Raises `CannotTravel` where nobody or several of that soul are here, `Rejected`
    (`invalid-body`) where the dna alone does not tell who it is.
    """
    if not who.soul:
        return before.receipt.traveller.who if before else await _of_dna(books, source, who)
    if who.origin is not None:
        return Who(who.origin, who.soul)
    if before is not None:
        return Who(before.receipt.traveller.who.origin, who.soul)
    return Who(await _origin(books, source, who.soul), who.soul)


async def _origin(books: Books, source: str, soul: str) -> str:
    """Where whoever of that soul is here comes from; `source` itself if none ever came from afar.

    Of its own who never left it nothing tells. So after one from afar has left, a wish that is
    repeated is for nobody, and not for another of the same soul.
    """

    def were_here(lines: Lines) -> set[Who]:
        receipts = (one.receipt for one in lines[source].receipts if one.receipt.kind in _WAS_HERE)
        return {one.traveller.who for one in receipts if one.traveller.who.soul == soul}

    came = await books.ask(were_here)
    known = await _known(books, source, came)
    if known.only is not None:
        return known.only.origin
    if known.likely:
        which = say_which_origin([one.origin for one in known.likely])
        own = "" if Who(source, soul) in came else f"; that of its own is {source}"
        detail = f"{known.count_text(f'of the soul {soul}')}: {which}{own}"
        raise CannotTravel(detail, "ambiguous")
    if afar := sorted({who.origin for who in came} - {source}):
        detail = (
            f"{soul} of {_listed(afar, 'and')} is not here any more; if another one is meant, say"
            f" the universe that it comes from {ORIGIN}, as {source} for one of its own"
        )
        raise CannotTravel(detail, "not-here")
    return source


async def _of_dna(books: Books, source: str, who: Passenger) -> Who:
    """The only one of that dna that is here; of a dna that is new here, whom its message names."""
    id, dna = _told(who.data)

    def were_here(lines: Lines) -> set[Who]:
        return {
            one.receipt.traveller.who
            for one in lines[source].receipts
            if one.receipt.traveller.format == MIGRATION_FORMAT
            and one.receipt.kind in _WAS_HERE
            and _dna_of(one, lines) == dna
            and who.origin in (None, one.receipt.traveller.who.origin)
        }

    came = await books.ask(were_here)
    known = await _known(books, source, came)
    if known.only is not None:
        return known.only
    if came:
        likely = known.likely
        said = known.count_text("travellers of this dna") if likely else "it left before"
        souls = sorted({one.soul for one in likely or came})
        which = say_which_soul(souls)
        if len(souls) == 1 and likely:
            which = say_which_origin([one.origin for one in likely])
        raise Rejected(f"who travels? {said}: {which}", code="invalid-body")
    return Who(who.origin or source, id)


async def _known(books: Books, source: str, came: Iterable[Who]) -> _Known:
    """Its own first: of whom nothing else needs to be read where they never left."""
    each = [[one] for one in sorted(came, key=lambda one: (one.origin != source, one))]
    read = await read_in_turn(books, each, partial(_here, source))
    unread = [one for few in (*read.left_out, *each[read.count :]) for one in few]
    return _Known(read.found, unread)


def _here(source: str, whom: Sequence[Who], _: Books, lines: Lines) -> list[Who]:
    return [one for one in whom if place_of(one, lines) == In(source)]


def say_which_soul(souls: Sequence[str]) -> str:
    """What to do where one of these is meant, in a request and in the shell."""
    return f"say which one is meant {SOUL}: {_listed(souls, 'or')}"


def say_which_origin(origins: Sequence[str]) -> str:
    """The same, of travellers of one soul: by the universe that each comes from."""
    return f"say the universe that the one meant comes from {ORIGIN}: {_listed(origins, 'or')}"


def _listed(names: Sequence[str], word: str) -> str:
    shown, more = names[:SHOWN_MAX], len(names) - SHOWN_MAX
    return f" {word} ".join([*shown, f"{more} more"] if more > 0 else shown)


def _dna_of(one: Checked, lines: Lines) -> bytes | None:
    """What the departure says that it is or answers; None where that is not held."""
    if one.receipt.kind == RETURN:
        return None  # its departure is in the same line
    if one.receipt.kind == ARRIVAL:
        lines.asked.add(one.receipt.other)
        found = lines.signed(one.receipt.answers or b"")
    else:
        found = one
    data = None if found is None else found.receipt.traveller.inline
    try:
        return None if data is None else _told(data)[1]
    except (FormatError, RegistryError):
        return None


def _told(data: bytes) -> tuple[str, bytes]:
    """(migration id, dna) of a MigrateEntity message. Raises `InvalidFile`."""
    (found,) = read_migration(data, "traveller")
    return str(found.fields["migration_id"]), found.data
