"""What comes of a blob: held against what names it, before the store is handed it."""

from crdt.blob import BlobRoot, check_chunk, parse_page, parse_root
from p2p.protocol.effects import AddChunks, AddPage
from p2p.protocol.pieces import PAGE, ROOT, split
from p2p.protocol.wanted import Run


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
