"""What comes of a blob: held against what names it, before the store is handed it."""

from crdt.blob import BlobRoot, check_chunk, parse_page, parse_root
from p2p.protocol.effects import AddChunks, AddPage
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Base, Delta
from p2p.protocol.pieces import PAGE, ROOT, split
from p2p.protocol.wanted import Run


def check_delta(delta: Delta, base: Base | None, size_bytes: int) -> int:
    """How many bytes it stands for; at most `size_bytes` were asked for.

    Raises `RemoteProtocolError` where it has no use, or makes one hold more than was asked for.
    """
    if base is None:
        raise RemoteProtocolError("delta", "a delta came where none was asked for")
    if not len(delta.data) < delta.plain_bytes <= size_bytes:
        raise RemoteProtocolError("delta", "a delta is longer than what was asked for")
    return delta.plain_bytes


def read_piece(run: Run, data: bytes) -> BlobRoot | AddPage | AddChunks:
    """The root, or what is to be stored: of chunks those of the run that came, the first ones.

    Raises `CrdtError` or `RemoteProtocolError` where it is not what was asked for.
    """
    wanted = run.wanted
    if run.piece == ROOT:
        return parse_root(data, wanted.blob)
    if run.piece == PAGE:
        assert wanted.root is not None, "pages are asked for by their root"
        parse_page(data, wanted.root, run.first)
        return AddPage(wanted.blob, run.first, data)
    assert wanted.manifest is not None, "chunks are asked for by their manifest"
    chunks = split(data, wanted.manifest, run.first, run.count)
    hashes = tuple(
        check_chunk(chunk, wanted.manifest, number)
        for number, chunk in enumerate(chunks, run.first)
    )
    return AddChunks(wanted.blob, run.first, chunks, hashes)
