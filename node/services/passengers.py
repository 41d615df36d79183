"""Who is to travel: as a game tells it, and which traveller that is by the receipts of its gate."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from node.errors import Rejected
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
class Passenger:
    """Who is to go, as a game tells it."""

    data: bytes
    soul: str
    """Empty only for a MigrateEntity: whoever of that dna is here."""
    format: str = "json"
    origin: str | None = None
    """Full name of the universe it comes from; None for whoever of that soul is here."""


def migration_passenger(
    data: bytes, soul: str | None, origin: str | None = None
) -> tuple[bytes, Passenger]:
    """(migration id, who) of a MigrateEntity message, kept as it is. Raises `InvalidFile`."""
    id, _ = _told(data)
    return uuid.UUID(id).bytes, Passenger(data, soul or "", MIGRATION_FORMAT, origin)


def who_goes(source: str, who: Passenger, before: Checked | None, lines: Lines) -> Who:
    """Which traveller is meant; `before`: what was signed for this migration already.

    Raises `CannotTravel` where nobody or several of that soul are here, `Rejected`
    (`invalid-body`) where the dna alone does not tell who it is.
    """
    if not who.soul:
        return before.receipt.traveller.who if before is not None else _of_dna(source, who, lines)
    if who.origin is not None:
        return Who(who.origin, who.soul)
    if before is not None:
        return Who(before.receipt.traveller.who.origin, who.soul)
    return Who(_origin(source, who.soul, lines), who.soul)


def _origin(source: str, soul: str, lines: Lines) -> str:
    """Where whoever of that soul is here comes from; `source` itself if none ever came from afar.

    Of its own who never left it nothing tells. So after one from afar has left, a wish that is
    repeated is for nobody, and not for another of the same soul.
    """
    came = {
        one.receipt.traveller.who
        for one in lines[source].receipts
        if one.receipt.traveller.who.soul == soul and one.receipt.kind in _WAS_HERE
    }
    here = sorted(who.origin for who in came if place_of(who, lines) == In(source))
    if len(here) > 1:
        detail = f"{len(here)} of the soul {soul} are here: {say_which_origin(here)}"
        raise CannotTravel(detail, "ambiguous")
    if here:
        return here[0]
    if afar := sorted({who.origin for who in came} - {source}):
        detail = (
            f"{soul} of {_listed(afar, 'and')} is not here any more; if another one is meant, say"
            f" the universe that it comes from {ORIGIN}, as {source} for one of its own"
        )
        raise CannotTravel(detail, "not-here")
    return source


def _of_dna(source: str, who: Passenger, lines: Lines) -> Who:
    """The only one of that dna that is here; of a dna that is new here, whom its message names."""
    id, dna = _told(who.data)
    known = {
        one.receipt.traveller.who
        for one in lines[source].receipts
        if one.receipt.traveller.format == MIGRATION_FORMAT
        and one.receipt.kind in _WAS_HERE
        and _dna_of(one, lines) == dna
        and who.origin in (None, one.receipt.traveller.who.origin)
    }
    here = [one for one in known if place_of(one, lines) == In(source)]
    if len(here) == 1:
        return here[0]
    if known:
        said = f"{len(here)} travellers of this dna are here" if here else "it left before"
        souls = sorted({one.soul for one in here or known})
        which = say_which_soul(souls)
        if len(souls) == 1 and here:
            which = say_which_origin(sorted(one.origin for one in here))
        raise Rejected(f"who travels? {said}: {which}", code="invalid-body")
    return Who(who.origin or source, id)


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
