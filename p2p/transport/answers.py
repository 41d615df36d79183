"""What the store says to a session's questions: one call each, and no rule of the protocol."""

from collections.abc import Sequence

from crdt.blob import BlobId
from crdt.keys import AuthorKey
from p2p.protocol import effects as ask
from p2p.protocol import limits
from p2p.protocol.delta_questions import FindWhole, ReadBase, ReadDelta
from p2p.protocol.ports import SyncStore
from p2p.transport.giving import read_base, read_delta
from storage.errors import NotHeld, OverQuota, StorageError

Writing = ask.Receive | ask.BeginBlob | ask.AddPage | ask.AddChunks
"""Questions that change the store, asked in the order they came."""
AboutHeld = (
    ask.FindManifest | ask.FindRoot | ask.FindPage | ask.ReadRun | ask.HeldRuns
    | ReadDelta | ReadBase | FindWhole
)  # fmt: skip
AboutFetch = ask.MissingPages | ask.MissingChunks | ask.BeginBlob | ask.AddPage | ask.AddChunks


async def answer(
    store: SyncStore, question: ask.Question, *, source: str, author: AuthorKey | None = None
) -> object:
    """The answer, of the type that the question names. `source` is who the entries came from,
    `author` for whom that device speaks."""
    match question:
        case ask.Receive(entries):
            return await store.receive(entries, source=source, author=author)
        case ask.Holds(namespace, ids):
            return await store.holds(namespace, ids)
        case ask.KeptOut(namespace, ids):
            return await store.kept_out(namespace, ids, source=source)
        case ask.FindEntries(namespace, ids):
            return await store.entries(namespace, ids)
        case ask.Summarise(namespace, area, ranges):
            return await store.summarise(namespace, area, ranges)
        case ask.Split(namespace, area, ranges, parts):
            return [await store.split(namespace, area, one, parts) for one in ranges]
        case ask.ListIds(namespace, area, ranges, limit):
            return [await store.ids(namespace, area, one, limit) for one in ranges]
        case ask.MayReadBlob(blob, claims):
            return await store.may_read_blob(blob, claims)
        case ask.MayKnowBlob():
            raise AssertionError("the swarm's shell knows what each peer may read")
        case (
            ask.BeginBlob() | ask.AddPage() | ask.AddChunks()
            | ask.MissingPages() | ask.MissingChunks()
        ):  # fmt: skip
            try:
                return await _answer_about_fetch(store, question)
            except StorageError as error:
                return ask.Unstored(str(error), isinstance(error, OverQuota))
        case _:
            return await _answer_about_blob(store, question)


async def _answer_about_blob(store: SyncStore, question: AboutHeld) -> object:
    match question:
        case ask.FindManifest(blob, first_page, pages):
            return await store.blob_manifest(blob, first_page, pages)
        case ask.FindRoot(blob):
            return await store.blob_root(blob)
        case ask.FindPage(blob, index):
            return await store.blob_page(blob, index)
        case ask.HeldRuns(blob, first):
            return await _held_runs(store, blob, first)
        case ReadDelta():
            return await read_delta(store, question)
        case ReadBase(piece, base):
            return await read_base(store, piece, base)
        case FindWhole(blob):
            return await store.blob_root(blob) if await store.has_blob(blob) else None
        case ask.ReadRun(blob, first, count):
            try:
                most = limits.RUN_BYTES_MAX
                chunks = await store.read_run(blob, first, count, size_bytes_max=most)
            except NotHeld:
                return None
            return ask.GivenRun(b"".join(chunks), 0, len(chunks)) if chunks else None


async def _held_runs(store: SyncStore, blob: BlobId, first: int) -> Sequence[int]:
    """None of a blob that went meanwhile."""
    try:
        return await store.held_runs(blob, first, limits.HOLDING_RUNS_MAX)
    except NotHeld:
        return []


async def _answer_about_fetch(store: SyncStore, question: AboutFetch) -> object:
    match question:
        case ask.MissingPages(blob):
            lacking = await store.missing_pages(blob)
            if lacking:  # of what cannot fit not even the first of them is asked for
                await store.check_room(blob)
            return lacking
        case ask.MissingChunks(blob):
            missing = await store.missing_chunks(blob)
            if missing:  # before the first of them is asked for
                await store.check_room(blob)
            return missing
        case ask.BeginBlob(blob, root):
            return await store.begin_blob(blob, root)
        case ask.AddPage(blob, index, page):
            return await store.add_page(blob, index, page)
        case ask.AddChunks(blob, first, chunks, hashes):
            return await store.add_chunks(blob, list(enumerate(chunks, first)), hashes=hashes)
