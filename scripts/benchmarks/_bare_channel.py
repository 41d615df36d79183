"""How fast bytes go from file to file by what a channel cannot do without, and nothing else.

Two processes on loopback, one thread each: the sender reads, encrypts messages of the size and with
the cipher of the Noise channel, and writes them to a socket; the receiver reads, decrypts, hashes
256 KiB at a time and writes a file. No frames, no asking, no database: a node does this and more,
on the same machine with the same libraries. A channel that stores also does what a node promises of
what it has: a row for each chunk, which survives the process, and all of it on the disk at the end.
"""

import os
import socket
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from p2p.transport.noise import PLAINTEXT_BYTES_MAX, TAG_BYTES

MESSAGE_BYTES: Final = PLAINTEXT_BYTES_MAX + TAG_BYTES
TOGETHER: Final = 16
"""Messages in one write, about 1 MiB."""
CHUNK_BYTES: Final = 256 * 1024
SYNC_CHUNKS: Final = 128  # 32 MiB, beside further writes


def bare_channel(source: Path, target: Path, *, is_stored: bool = False) -> dict[str, float]:
    """MB/s of the file, until `target` is whole, and CPU seconds of both ends."""
    size = source.stat().st_size
    key = ChaCha20Poly1305.generate_key()
    listening = socket.create_server(("127.0.0.1", 0))
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    place = listening.getsockname()
    sender = context.Process(target=_send, args=(place, key, str(source), theirs))
    sender.start()
    taken, _ = listening.accept()
    ours.recv()  # it has loaded everything
    started_s, before_s = time.perf_counter(), time.process_time()
    ours.send(None)
    (_store if is_stored else _receive)(taken, key, target, size)
    took_s, receiver_s = time.perf_counter() - started_s, time.process_time() - before_s
    sender_s = ours.recv()
    sender.join()
    listening.close()
    return {
        "mb_per_s": round(size / 1e6 / took_s, 1),
        "sender_cpu_s": round(sender_s, 2),
        "receiver_cpu_s": round(receiver_s, 2),
    }


def _send(place: tuple[str, int], key: bytes, source: str, told: Connection) -> None:
    cipher = ChaCha20Poly1305(key)
    out = bytearray(TOGETHER * MESSAGE_BYTES)
    plain = memoryview(bytearray(TOGETHER * PLAINTEXT_BYTES_MAX))
    view, number = memoryview(out), 0
    with socket.create_connection(place) as sock, open(source, "rb", buffering=0) as file:
        told.send(None)
        told.recv()
        before_s = time.process_time()
        while size := file.readinto(plain):
            at = 0
            for start in range(0, size, PLAINTEXT_BYTES_MAX):
                piece = plain[start : min(size, start + PLAINTEXT_BYTES_MAX)]
                stop = at + len(piece) + TAG_BYTES
                cipher.encrypt_into(_nonce(number), piece, None, view[at:stop])
                at, number = stop, number + 1
            sock.sendall(view[:at])
        told.send(time.process_time() - before_s)


def _store(sock: socket.socket, key: bytes, target: Path, size: int) -> None:
    with (
        closing(sqlite3.connect(target.with_suffix(".db"), isolation_level=None)) as database,
        ThreadPoolExecutor(1) as beside,
        target.open("wb") as file,
    ):
        database.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE TABLE packed (hash BLOB PRIMARY KEY, at INT) WITHOUT ROWID;"
        )

        def keep(number: int, hash: bytes) -> None:
            database.execute("INSERT OR IGNORE INTO packed VALUES (?, ?)", (hash, number))
            if number % SYNC_CHUNKS == 0:
                beside.submit(os.fdatasync, file.fileno())

        _receive(sock, key, target, size, keep)
        os.fdatasync(file.fileno())


def _receive(
    sock: socket.socket,
    key: bytes,
    target: Path,
    size: int,
    keep: Callable[[int, bytes], None] | None = None,
) -> None:
    cipher = ChaCha20Poly1305(key)
    came = memoryview(bytearray(MESSAGE_BYTES))
    chunk = memoryview(bytearray(CHUNK_BYTES + PLAINTEXT_BYTES_MAX))
    number = held = done = chunks = 0
    with sock, open(target, "wb", buffering=0) as file:
        while done < size:
            left = min(PLAINTEXT_BYTES_MAX, size - done)
            message = came[: left + TAG_BYTES]
            at = 0
            while at < len(message):
                at += sock.recv_into(message[at:])
            cipher.decrypt_into(_nonce(number), message, None, chunk[held : held + left])
            number, held, done = number + 1, held + left, done + left
            if held >= CHUNK_BYTES or done == size:
                hash = blake3(chunk[:held]).digest()
                file.write(chunk[:held])
                chunks += 1
                if keep is not None:
                    keep(chunks, hash)
                held = 0


def _nonce(number: int) -> bytes:
    return bytes(4) + number.to_bytes(8, "little")
