"""What `gc` would take, found by doing all that leads to it and taking that back.

what was dropped for good goes ─▸ what nobody who counts names is marked
    ─▸ old epochs name no more what was let go ─▸ the blobs that go ─▸ all is as it was
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from crdt.blob import BlobId
from storage.blobs import Blobs
from storage.carried import Carried
from storage.collecting import GRACE_US, Collected
from storage.dropping import Dropping
from storage.kept import bytes_alone, note_unnamed_in


@dataclass(frozen=True, slots=True)
class Going:
    """A blob that `gc` would take, and its size: what goes back may be far less."""

    blob: BlobId
    size: int


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What `gc` would give back."""

    going: Sequence[Going]
    bytes: int
    """Of what they have and no other blob has. About: what leans on them is written anew."""
    young: int
    damaged: tuple[str, ...]


class Foreseeing(Carried, Dropping, Blobs):
    """Room that is given back, and what would be."""

    async def gc(self, grace_us: int = GRACE_US) -> Collected:
        """As of blobs, and what old epochs named that another is the record of now."""
        damaged = await self.forget_carried()
        found = await super().gc(grace_us)
        return Collected(found.blobs, found.bytes, found.young, damaged)

    async def foresee_gc(
        self, unnamed: Collection[BlobId] | None = None, grace_us: int = GRACE_US
    ) -> Foreseen:
        """What `drop`, `note_unnamed` of these and `gc` would take together; nothing is changed.

        `unnamed`: None leaves what was noted. Others wait to write for as long as the first two
        take.
        """
        foreseen, damaged = await self.foresee_carried()
        async with self._database.rehearsal() as write:
            await self._drop_all(write)
            if unnamed is not None:
                await note_unnamed_in(write, unnamed)
            for forget in foreseen:
                await forget(write)
            goes, values = self._nameless(grace_us)
            rows = await write.rows(
                f"SELECT b.number, b.id, b.size FROM blob AS b WHERE {goes}", values
            )
            young = await self._young(write, grace_us)
        async with self._database.reading() as view:
            alone = await bytes_alone(view, {number for number, _, _ in rows}) if rows else 0
        return Foreseen([Going(BlobId(id), size) for _, id, size in rows], alone, young, damaged)
