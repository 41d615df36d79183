"""The home: the folder that one node owns.

config.toml           settings
lock                  held with flock while a node runs; a stale one heals itself
node.json             0600, where the running node answers; gone after a clean exit
token                 0600, an admin token of the API
identity/             author.key, device.key, sealing.key, token.key, device.json; all 0600
identity/namespaces/  a key for each namespace that was made here, 0600
refused.jsonl         command lines that were refused while no node ran (`node.spool`)
panspermia.db         everything that is kept
snapshots.db          0600, the vault: chunks and pages of snapshots
blobs/                0700, the chunks of large blobs, which the database locates
dht.json              nodes of the public table, where p2p.dht is on
index/  cache/        can be deleted and come back
"""

import fcntl
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from node.errors import AlreadyRunning, BadHome
from storage import keyfiles

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
# node.json and config.toml have a few hundred bytes; whatever is larger is not ours.
SMALL_FILE_BYTES_MAX = 1 << 20


class NodeFile(Struct, frozen=True):
    """node.json: how the command line finds the running node."""

    api: str
    p2p: str
    pid: int
    did: str


@dataclass(frozen=True, slots=True)
class Home:
    """Names of the files in a home; reading and writing the small ones."""

    path: Path

    @property
    def config_file(self) -> Path:
        return self.path / "config.toml"

    @property
    def lock_file(self) -> Path:
        return self.path / "lock"

    @property
    def node_file(self) -> Path:
        return self.path / "node.json"

    @property
    def token_file(self) -> Path:
        return self.path / "token"

    @property
    def identity(self) -> Path:
        return self.path / "identity"

    @property
    def author_key(self) -> Path:
        return self.identity / "author.key"

    @property
    def namespaces(self) -> Path:
        return self.identity / "namespaces"

    def namespace_key(self, namespace: bytes) -> Path:
        """Where the secret of a namespace lies that was made here."""
        return self.namespaces / f"{namespace.hex()}.key"

    @property
    def device_key(self) -> Path:
        return self.identity / "device.key"

    @property
    def next_device_key(self) -> Path:
        """Of a device that this home becomes just now."""
        return self.identity / "device.next.key"

    @property
    def device_file(self) -> Path:
        return self.identity / "device.json"

    @property
    def sealing_key(self) -> Path:
        return self.identity / "sealing.key"

    @property
    def token_key(self) -> Path:
        return self.identity / "token.key"

    @property
    def database(self) -> Path:
        return self.path / "panspermia.db"

    @property
    def dht_file(self) -> Path:
        """Nodes of the public table, so that a restart finds its way."""
        return self.path / "dht.json"

    @property
    def lent_relays(self) -> Path:
        """Private relays, with their tokens, of invites that were taken."""
        return self.path / "relays.json"

    @property
    def index(self) -> Path:
        return self.path / "index"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    def make(self) -> None:
        """The folders, private to this user. Raises `BadHome`."""
        try:
            for folder in (self.path, self.identity, self.cache):
                folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        except OSError as error:
            raise BadHome(f"cannot make {error.filename}: {error.strerror}") from error

    def config_text(self) -> str:
        """The text of config.toml, or "" where there is none. Raises `BadHome`."""
        try:
            return read_small(self.config_file).decode()
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise BadHome(f"{self.config_file} is not UTF-8: byte {error.start}") from error

    def read_node_file(self) -> NodeFile | None:
        """What a running node left, or one that was killed: `is_locked` tells which."""
        try:
            return msgspec.json.decode(read_small(self.node_file), type=NodeFile)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write_node_file(self, file: NodeFile) -> None:
        write_private(self.node_file, msgspec.json.format(msgspec.json.encode(file)) + b"\n")

    def remove_node_file(self) -> None:
        self.node_file.unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Generator[None]:
        """Own this home. Raises `AlreadyRunning`; the system frees the lock of a dead process."""
        descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(f"a node is running in {self.path}") from error
            yield
        finally:
            os.close(descriptor)

    def is_locked(self) -> bool:
        """Whether a node owns this home now."""
        if not self.lock_file.exists():
            return False
        with suppress(AlreadyRunning), self.lock():
            return False
        return True


def write_private(path: Path, data: bytes) -> None:
    """0600, whole or not at all. Raises `BadHome`."""
    with _told_of(path):
        keyfiles.write_private(path, data)


def keep_key(path: Path, secret: bytes, passphrase: str | None = None) -> None:
    """A key file, sealed under `passphrase` if there is one. Raises `BadHome`."""
    with _told_of(path):
        keyfiles.write_key(path, secret, passphrase)


@contextmanager
def _told_of(path: Path) -> Generator[None]:
    """A full disk, or a folder that takes nothing, by the name of what was to be written."""
    try:
        yield
    except OSError as error:
        raise BadHome(f"cannot write {path}: {error.strerror}") from error


def read_small(path: Path) -> bytes:
    """A regular file of ours. Raises `FileNotFoundError` or `BadHome`."""
    try:
        with open(path, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise BadHome(f"{path} is no regular file")
            data = file.read(SMALL_FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadHome(f"cannot read {path}: {error.strerror}") from error
    if len(data) > SMALL_FILE_BYTES_MAX:
        raise BadHome(f"{path} has over {SMALL_FILE_BYTES_MAX} bytes")
    return data
