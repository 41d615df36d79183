"""One byte of an entry rots in the database: whoever reads or writes that document is told so."""

from pathlib import Path

import pytest

from storage.errors import Corrupt
from tests.storage.people import ALICE, named
from tests.storage.test_folding import opened, rows

CLOCK, WATCH = ALICE.document("io.alice.clock"), ALICE.document("io.alice.watch")


@pytest.mark.parametrize("place", [70, 120, -1])
async def test_a_document_whose_entry_rotted_is_damaged_and_all_others_are_read(
    tmp_path: Path, place: int
) -> None:
    async with opened(tmp_path) as store:
        entries = [
            ALICE.publishes(one, named("it", at=5)) for one in ("io.alice.clock", "io.alice.watch")
        ]
        await store.receive(entries, source="peer")
    of = "WHERE document = (SELECT number FROM document WHERE record = ?)"
    ((number, payload),) = rows(
        tmp_path, f"SELECT number, payload FROM entry {of}", (CLOCK.record,)
    )
    assert isinstance(payload, bytes)
    rotted = bytearray(payload)
    rotted[place] ^= 0xFF
    rows(tmp_path, "UPDATE entry SET payload = ? WHERE number = ?", (bytes(rotted), number))
    async with opened(tmp_path) as store:
        with pytest.raises(Corrupt, match=r"'io\.alice\.clock' are damaged"):
            await store.read(CLOCK)
        with pytest.raises(Corrupt, match=r"'io\.alice\.clock' are damaged"):
            await store.commit(CLOCK, named("it", at=6), ALICE.signer)
        await store.commit(WATCH, named("it", at=6), ALICE.signer)
        state = await store.read(WATCH)
    assert state is not None
    assert state.value["head"] == {"name": "it", "at": 6}
