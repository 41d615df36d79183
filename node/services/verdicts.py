"""What a gate here does with who comes: by its owner's passages, and by the traveller's bytes."""

from collections.abc import Collection, Mapping

from node.services.passengers import MIGRATION_FORMAT
from registry.errors import RegistryError
from registry.formats.errors import FormatError
from registry.formats.primordium_migration import read_migration
from universe.gate import Judge, Verdict
from universe.names import parse_full_name
from universe.passage import Half, Passage, judge_arrival
from universe.receipts import Checked


def half_here(passage: Passage | None, universe: str) -> Half | None:
    """That of the owner of `universe`."""
    return None if passage is None else passage.half_of(parse_full_name(universe)[0])


def judge_of(
    passages: Mapping[str, Passage | None], suspect: Collection[bytes], *, is_gone: bool
) -> Judge:
    """`suspect`: departures of gates that equivocated; `is_gone`: the universe was deleted."""

    def judge(departure: Checked) -> Verdict:
        said = departure.receipt
        data = said.traveller.inline
        if data is None:
            return Verdict("refuse", "its bytes are not told in its departure")
        if said.traveller.format == MIGRATION_FORMAT:
            try:
                read_migration(data, "traveller")
            except (FormatError, RegistryError):
                return Verdict("refuse", "it is no MigrateEntity whose checksum holds")
        is_suspect = departure.id in suspect
        verdict = judge_arrival(departure, passages.get(said.passage), is_suspect=is_suspect)
        if is_gone and verdict.word != "wait":
            return Verdict("refuse", "the universe was deleted")
        return verdict

    return judge
