"""What the disk damaged of blobs is found, dropped, and fetched again from whoever has it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct, to_builtins

from crdt.blob import BLOB_BYTES_MAX, BlobId
from node.errors import Conflict
from node.outcomes import problem_of
from node.ports import Network
from node.services.a_few import a_few_at_a_time
from node.services.fetch import hold_blob
from storage.errors import NotHeld
from storage.store import Store

SHOWN_MAX: Final = 1_000
"""Blobs in a report; of more it says how many."""
AT_ONCE: Final = 4
"""Fetched; those of one world mostly miss the same part."""
QUIET_S: Final = 60.0
"""Without a byte of a blob, until the next one has its turn."""

Tell: TypeAlias = Callable[[Mapping[str, object]], None]


class ScrubbedUse(Struct, frozen=True):
    """What a blob belongs to. `tick` of a snapshot."""

    kind: str
    name: str
    tick: int | None = None


class ScrubbedBlob(Struct, frozen=True):
    """One that was not whole. `state`: `mended` or `damaged`, and then `why`, where it was asked
    for."""

    id: str
    size: int
    of: tuple[ScrubbedUse, ...]
    state: str
    why: str = ""


class ScrubReport(Struct, frozen=True):
    """What was read, and how it stands with each blob of which a part was damaged or missing."""

    bytes: int
    parts: int
    blobs: tuple[ScrubbedBlob, ...]
    left_off: int
    """How many more blobs there are than are listed."""
    mended: int
    damaged: int
    """How many blobs stay so."""
    dry_run: bool


async def scrub(
    store: Store, network: Network, tell: Tell, *, is_dry_run: bool = False
) -> ScrubReport:
    """Reads everything kept of blobs; what is damaged is dropped and fetched again.

    So is what was damaged before and nobody gave. `is_dry_run`: nothing is changed. A disk that is
    full, or a peer who has nothing, leaves a blob damaged. Raises `Corrupt` where a file cannot be
    read at all, `Conflict` as `refuse_second` does.
    """
    refuse_second(store)
    with store.one_scrub():
        return await _scrub(store, network, tell, is_dry_run=is_dry_run)


def refuse_second(store: Store) -> None:
    """Raises `Conflict` while one is running: it finds all there is to find."""
    if store.is_scrubbing:
        detail = "a scrub is running already, which reads all there is: wait for its end"
        raise Conflict(detail, code="scrub-running")


async def _scrub(store: Store, network: Network, tell: Tell, *, is_dry_run: bool) -> ScrubReport:
    before = await store.blobs_to_mend()

    def told(done: int, total: int) -> None:
        tell({"stage": "read", "id": "blobs", "done": done, "total": total})

    found = await store.scrub(told, is_dry_run=is_dry_run)
    blobs = [*dict.fromkeys([*found.blobs, *before])]
    why: dict[BlobId, str] = {}

    async def mend(blob: BlobId) -> None:
        shown = await _shown(store, blob, "damaged")
        tell({"event": "damaged", **_fields(shown)})
        why[blob] = "" if is_dry_run else await _fetched(store, network, blob, tell)
        if not is_dry_run:
            is_whole = await store.has_blob(blob)
            tell({"event": "mended" if is_whole else "lost", "id": blob.hex(), "why": why[blob]})

    await a_few_at_a_time(blobs, mend, at_once=AT_ONCE, name="mending")
    return await _report(store, blobs, why, found.bytes, found.parts, is_dry_run=is_dry_run)


async def _fetched(store: Store, network: Network, blob: BlobId, tell: Tell) -> str:
    """Why it did not come; "" where it is whole."""
    furthest = 0
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(QUIET_S) as quiet:

            def told(done: int, total: int) -> None:
                nonlocal furthest
                tell({"stage": "fetch", "id": blob.hex(), "done": done, "total": total})
                if done > furthest and not quiet.expired():
                    furthest = done
                    quiet.reschedule(clock() + QUIET_S)

            await store.missing_chunks(blob)  # what others brought makes it whole
            kept_for = await store.kept_for(blob)
            await hold_blob(
                store, network, blob, BLOB_BYTES_MAX, told, timeout_s=None, kept_for=kept_for
            )
    except TimeoutError:
        return f"nothing of it came for {QUIET_S:.0f} s"
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            raise
        return problem.problem.detail
    return ""


async def _report(
    store: Store,
    blobs: Sequence[BlobId],
    why: Mapping[BlobId, str],
    size_bytes: int,
    parts: int,
    *,
    is_dry_run: bool,
) -> ScrubReport:
    """Looked at anew: what one brought may have mended another."""
    shown: list[ScrubbedBlob] = []
    mended = 0
    for blob in blobs:
        is_mended = not is_dry_run and await _is_whole(store, blob)
        mended += is_mended
        if len(shown) < SHOWN_MAX:
            state, reason = ("mended", "") if is_mended else ("damaged", why.get(blob, ""))
            shown.append(await _shown(store, blob, state, reason))
    return ScrubReport(
        size_bytes,
        parts,
        tuple(shown),
        len(blobs) - len(shown),
        mended,
        len(blobs) - mended,
        is_dry_run,
    )


async def _is_whole(store: Store, blob: BlobId) -> bool:
    try:
        await store.missing_chunks(blob)
    except NotHeld:
        return False
    return await store.has_blob(blob)


async def _shown(store: Store, blob: BlobId, state: str, why: str = "") -> ScrubbedBlob:
    held = await store.blob_state(blob)
    uses = await store.uses_of_blob(blob)
    of = tuple(ScrubbedUse(one.kind, one.name, one.tick) for one in uses)
    return ScrubbedBlob(blob.hex(), 0 if held is None else held.size, of, state, why)


def _fields(shown: ScrubbedBlob) -> dict[str, object]:
    fields: dict[str, object] = to_builtins(shown)
    return {name: fields[name] for name in ("id", "size", "of")}
