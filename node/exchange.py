"""One request to the node, written by hand, and the head of its answer.

What would write it takes a quarter of a short command to load; what reads the answer is loaded
while the node works.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from node.exit_codes import NETWORK
from node.failure import Failure, failure

if TYPE_CHECKING:
    from http.client import HTTPResponse

PIECE_BYTES = 1 << 18  # of a long request or answer, at once


def send_request(
    connection: socket.socket, line: str, headers: Mapping[str, str], pieces: Iterator[bytes] | None
) -> None:
    """With a body of these pieces, if any.

    What can be no part of a line is never sent: it would be the beginning of another.
    Raises `Failure`, `OSError`.
    """
    head = [line, *(f"{name}: {value}" for name, value in headers.items())]
    if not all(one.isascii() and one.isprintable() for one in head) or line.count(" ") != 2:
        raise broken(f"{line!r} cannot be asked.")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    begun = "".join(f"{one}\r\n" for one in (*head, "")).encode()
    is_chunked = "Transfer-Encoding" in headers
    for piece in pieces or ():
        if piece:
            connection.sendall(begun + (_chunk(piece) if is_chunked else piece))
            begun = b""
    if begun or is_chunked:
        connection.sendall(begun + (_chunk(b"") if is_chunked else b""))


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@contextmanager
def answer_to(connection: socket.socket, method: str) -> Generator[HTTPResponse]:
    """Of which the head is read. Raises `Failure` for what is no answer, also later."""
    from http.client import HTTPException, HTTPResponse

    try:
        with HTTPResponse(connection, method=method) as answer:
            answer.begin()
            yield answer
    except HTTPException as error:
        raise broken(f"{type(error).__name__}: {error}") from error


def of_length(size: int | None) -> dict[str, str]:
    length = {"Transfer-Encoding": "chunked"} if size is None else {"Content-Length": str(size)}
    return {"Content-Type": "application/octet-stream", **length}


def pieces_of(
    file: IO[bytes], size: int | None, progress: Callable[[int, int], None]
) -> Iterator[bytes]:
    """No more than `size` bytes: a file that grows meanwhile is what it was."""
    done = 0
    while piece := file.read(PIECE_BYTES if size is None else min(PIECE_BYTES, size - done)):
        yield piece
        done += len(piece)
        progress(done, done if size is None else size)
    if size is not None and done < size:
        raise OSError(0, f"it has become shorter: {done:,} of {size:,} bytes are there")


def broken(why: str) -> Failure:
    detail = f"{why}\nIts log says why; `panspermia status` tells whether it still runs."
    return failure("connection-lost", "The node broke off its answer", detail, NETWORK)
