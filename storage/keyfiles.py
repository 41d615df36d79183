"""Key files: one secret each, readable by their owner only, whole or not there.

panspermia-key-1 plain\\n<hex>\\n          panspermia-key-1 sealed\\n<hex of crdt.sealing>\\n
"""

import os
import secrets
import stat
from pathlib import Path

from crdt.errors import CrdtError
from crdt.sealing import NONCE_BYTES, SALT_BYTES, seal, unseal
from storage.errors import BadKeyFile, NotHeld

MAGIC = "panspermia-key-1"
PLAIN, SEALED = "plain", "sealed"
FILE_BYTES_MAX = 16_384  # the longest secret, sealed, in hex; a seed takes under 300
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def write_key(path: Path, secret: bytes, passphrase: str | None = None) -> None:
    """Durable when it returns; what was there before is replaced whole."""
    kind, data = PLAIN, secret
    if passphrase is not None:
        kind = SEALED
        salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
        data = seal(secret, passphrase, salt=salt, nonce=nonce)
    write_private(path, f"{MAGIC} {kind}\n{data.hex()}\n".encode())


def read_key(path: Path, passphrase: str | None = None) -> bytes:
    """The secret. Raises `NotHeld` where there is no file, `BadKeyFile` for all else."""
    kind, data = _read(path)
    if kind == PLAIN:
        return data
    if passphrase is None:
        raise BadKeyFile(f"{path} is sealed: its passphrase is needed.")
    try:
        return unseal(data, passphrase)
    except CrdtError as error:
        raise BadKeyFile(f"{path} does not open with this passphrase.") from error


def is_sealed(path: Path) -> bool:
    """Whether a passphrase is needed. Raises as `read_key` does."""
    return _read(path)[0] == SEALED


def write_private(path: Path, data: bytes) -> None:
    """A file of mode 0600, atomically: a crash leaves the old one or the new one, durable."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_directory(path.parent)


def _read(path: Path) -> tuple[str, bytes]:
    try:
        mode = path.stat().st_mode
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise NotHeld(f"There is no key at {path}.") from error
    except OSError as error:
        raise BadKeyFile(f"{path} cannot be read: {error.strerror}.") from error
    if os.name == "posix" and mode & OTHERS:
        raise BadKeyFile(f"{path} is open to other users: run `chmod 600 {path}` first.")
    try:
        head, body = text.decode("ascii").splitlines()
        magic, kind = head.split(" ")
        data = bytes.fromhex(body)
    except ValueError as error:
        raise BadKeyFile(f"{path} is no key file, or damaged.") from error
    if magic != MAGIC or kind not in (PLAIN, SEALED) or len(text) > FILE_BYTES_MAX:
        raise BadKeyFile(f"{path} is no key file that this version knows.")
    return kind, data


def _sync_directory(directory: Path) -> None:
    """Makes a rename durable; Windows has no such thing."""
    if os.name == "posix":
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
