"""Who this node is: the author it speaks for, and the device key it signs with.

    identity/author.key     the root key; needed to delegate, not to run. May be sealed
    identity/device.key     this device's key; signs every change
    identity/device.json    author, device, and the capabilities the author gave this device
    identity/sealing.key    the X25519 key to which peers seal letters for this device
    identity/token.key      signs the tokens of the API
    identity/namespaces/    the key of each namespace made here; sealed where author.key is
    identity/former/        keys of an author, and of a device, that this home spoke for before

A device key is never copied: two nodes with one key would contradict each other in public. What is
exported is the author's key, under a passphrase; an import makes a new device.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from crdt import cbor
from crdt.boxes import sealing_key
from crdt.change import Signer, device_capabilities
from crdt.did import decode_did_key, encode_did_key
from crdt.ed25519 import SEED_BYTES, SigningKey
from crdt.errors import CrdtError
from crdt.keys import AuthorKey, DeviceKey, is_communal
from crdt.sealing import NONCE_BYTES, SALT_BYTES, SECRET_BYTES_MAX, seal, unseal
from node.errors import BadIdentity
from node.home import Home, keep_key, read_small, write_private
from storage.errors import BadKeyFile, NotHeld
from storage.keyfiles import is_sealed, read_key

Entropy = Callable[[int], bytes]
"""`os.urandom`, or a test's own."""

NEEDED = "give its passphrase by --passphrase-file FILE, or type it on a terminal"
SEALED_AT_ONCE = 50  # keys and seeds of 64 bytes, in one secret of at most 4,096


class DeviceFile(Struct, frozen=True):
    """identity/device.json; capabilities by class, in hex."""

    author: str
    device: str
    capabilities: dict[str, str]


@dataclass(frozen=True, slots=True)
class Identity:
    """What a running node holds: never the author's secret."""

    author: AuthorKey
    device: SigningKey
    capabilities: Mapping[str, bytes]
    token_seed: bytes
    sealing_private: bytes  # X25519; peers seal to `sealing_key`
    is_sealed: bool

    @property
    def did(self) -> str:
        return encode_did_key(self.author)

    @property
    def device_did(self) -> str:
        return encode_did_key(self.device.public)

    @property
    def signer(self) -> Signer:
        return Signer(self.device, self.author, self.capabilities)

    @property
    def sealing_key(self) -> bytes:
        """What this device's card tells everybody: 32 bytes of X25519."""
        return sealing_key(self.sealing_private)

    @property
    def fingerprint(self) -> str:
        """40 hex digits of the author key's SHA-256 in groups of four, to compare by voice."""
        digits = hashlib.sha256(self.author).hexdigest()[:40]
        return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))

    def __repr__(self) -> str:
        return f"Identity({self.did}, device {self.device_did})"


def load_or_create(home: Home, entropy: Entropy) -> Identity:
    """The identity of this home; a new one where there is none at all. Raises `BadIdentity`."""
    if not home.author_key.exists() and not home.device_file.exists():
        keep_key(home.author_key, entropy(SEED_BYTES))
    if not home.device_file.exists():
        _make_device(home, _open_author(home, None), entropy)
    for key in (home.token_key, home.sealing_key):
        if not key.exists():
            keep_key(key, entropy(SEED_BYTES))
    return load(home)


def load(home: Home) -> Identity:
    """What is there. Raises `BadIdentity`."""
    try:
        file = msgspec.json.decode(read_small(home.device_file), type=DeviceFile)
        author = AuthorKey(decode_did_key(file.author))
        capabilities = {name: bytes.fromhex(text) for name, text in file.capabilities.items()}
    except FileNotFoundError as error:
        raise BadIdentity(f"{home.path} has no identity yet; `panspermia up` makes one") from error
    except (msgspec.DecodeError, ValueError, CrdtError) as error:
        raise BadIdentity(f"{home.device_file} is damaged: {error}") from error
    if home.next_device_key.exists():
        _take_next(home, file.device)
    device = SigningKey.from_seed(_seed(home.device_key))
    if encode_did_key(device.public) != file.device:
        raise BadIdentity(f"{home.device_key} is not the key that {home.device_file} names")
    token, sealing = _seed(home.token_key), _seed(home.sealing_key)
    return Identity(author, device, capabilities, token, sealing, is_author_sealed(home))


def export_author(
    home: Home, passphrase: str, entropy: Entropy, *, current: str | None = None
) -> bytes:
    """The author's key, sealed under `passphrase`; `current` opens it where it is sealed here."""
    author = _open_author(home, current)
    return seal(author.seed, passphrase, salt=entropy(SALT_BYTES), nonce=entropy(NONCE_BYTES))


def seal_author(home: Home, passphrase: str, *, current: str | None = None) -> None:
    """Keep the author's key of this home sealed from now on, and those of its namespaces.

    `current` opens what is sealed already: so a passphrase is changed. Raises `BadIdentity`.
    """
    author = _open_author(home, current)
    seeds = {
        path: _seed_by(path, (current, passphrase))  # some have it, where this was broken off once
        for path in sorted(home.namespaces.glob("*.key"))
    }
    for path, seed in seeds.items():
        keep_key(path, seed, passphrase)
    keep_key(home.author_key, author.seed, passphrase)


def import_author(home: Home, exported: bytes, passphrase: str, entropy: Entropy) -> Identity:
    """Become that author, on a new device; or, on a device of theirs, bring the key to it.

    The key stays sealed here: it is needed again only to delegate to further devices. Raises
    `BadIdentity` where this home has it already, or is somebody else's.
    """
    is_device = home.device_file.exists()
    taken = BadIdentity(f"{home.path} has an identity already; import into a new home")
    if home.author_key.exists() and is_device:
        raise taken
    try:
        seed = _checked(unseal(exported, passphrase), "the exported key")
    except CrdtError as error:
        raise BadIdentity(error.detail, code=error.code) from error
    if home.author_key.exists() and not holds_author(home, seed, passphrase):
        raise taken
    author = SigningKey.from_seed(seed)
    if is_device and load(home).author != author.public:
        raise BadIdentity(f"{home.path} is a device of somebody else; import into a new home")
    home.make()
    keep_key(home.author_key, seed, passphrase)
    if not is_device:
        _make_device(home, author, entropy)
    return load_or_create(home, entropy)


def holds_author(home: Home, seed: bytes, passphrase: str) -> bool:
    """Whether the author's key here is this one: what brought it was broken off before the end."""
    try:
        return _open_author(home, passphrase).seed == seed
    except BadIdentity:
        return False


def open_author(home: Home, passphrase: str | None = None) -> SigningKey:
    """The root key, to delegate with; not to be kept. Raises `BadIdentity` (`sealed`, `no-key`)."""
    author = _open_author(home, passphrase)
    if author.public != load(home).author:
        raise BadIdentity(f"{home.author_key} is not the key of the author of {home.device_file}")
    return author


def become_device(
    home: Home, author: AuthorKey, device: SigningKey, capabilities: Mapping[str, bytes]
) -> Path | None:
    """This home speaks for `author` from its next start on, with this device's key.

    The former author's key is moved aside, and the former device's where it is another; gives where
    the first lies now, None where there was none. Broken off in between, the home has no author's
    key in use, and this can be done again.
    """
    aside = None
    if home.author_key.exists():
        former = load(home)
        aside = home.identity / "former" / f"{former.author.hex()}.key"
        write_private(aside.with_suffix(".json"), read_small(home.device_file))
        write_private(aside, read_small(home.author_key))
        home.author_key.unlink()
    if (was := SigningKey.from_seed(_seed(home.device_key))).seed != device.seed:
        keep_key(home.identity / "former" / f"{was.public.hex()}.device.key", was.seed)
        home.sealing_key.unlink(missing_ok=True)  # of that device; the next start makes another
    write_device(home, author, device, capabilities)
    return aside


def seal_secrets(home: Home, passphrase: str, entropy: Entropy) -> list[bytes]:
    """Every root key of this home, the author's first, sealed under `passphrase`.

    It also opens those that are sealed here. Raises `BadIdentity`.
    """
    author = open_author(home, passphrase)
    seeds = {author.public: author.seed}
    for path in sorted(home.namespaces.glob("*.key")):
        key = SigningKey.from_seed(_seed(path, passphrase))
        seeds[key.public] = key.seed
    parts = [
        [*seeds.items()][at : at + SEALED_AT_ONCE] for at in range(0, len(seeds), SEALED_AT_ONCE)
    ]
    return [
        seal(
            cbor.encode(dict(part)),
            passphrase,
            salt=entropy(SALT_BYTES),
            nonce=entropy(NONCE_BYTES),
        )
        for part in parts
    ]


def open_secrets(sealed: bytes, passphrase: str) -> dict[bytes, bytes]:
    """Public key -> seed, as `seal_secrets` sealed them. Raises `BadIdentity`."""
    try:
        plain: object = cbor.decode(unseal(sealed, passphrase), bytes_max=SECRET_BYTES_MAX)
        seeds = msgspec.convert(plain, dict[bytes, bytes])
    except CrdtError as error:
        raise BadIdentity(error.detail, code=error.code) from error
    except msgspec.ValidationError as error:
        raise BadIdentity(f"the sealed keys are damaged: {error}", code="damaged") from error
    for public, seed in seeds.items():
        if SigningKey.from_seed(_checked(seed, "a sealed key")).public != public:
            raise BadIdentity("a sealed key is not the one it says", code="damaged")
    return seeds


def write_secrets(home: Home, seeds: Mapping[bytes, bytes], author: bytes, passphrase: str) -> None:
    """All of them, sealed under `passphrase` as in the file they came from."""
    for public, seed in seeds.items():
        path = home.author_key if public == author else home.namespaces / f"{public.hex()}.key"
        keep_key(path, seed, passphrase)


def write_device(
    home: Home, author: AuthorKey, device: SigningKey, capabilities: Mapping[str, bytes]
) -> None:
    """device.json comes last: without it the next start makes the device anew.

    Where it names another device than before, its key lies beside the other until then.
    """
    is_other = home.device_key.exists() and _seed(home.device_key) != device.seed
    if is_other or not home.device_key.exists():
        keep_key(home.next_device_key if is_other else home.device_key, device.seed)
    file = DeviceFile(
        encode_did_key(author),
        encode_did_key(device.public),
        {name: capability.hex() for name, capability in sorted(capabilities.items())},
    )
    write_private(home.device_file, msgspec.json.format(msgspec.json.encode(file)) + b"\n")
    if is_other:
        _take_next(home, file.device)


def _take_next(home: Home, did: str) -> None:
    """Puts the key of the device that device.json names in its place; leaves no other."""
    key = SigningKey.from_seed(_seed(home.next_device_key))
    if encode_did_key(key.public) == did:
        home.next_device_key.replace(home.device_key)
    else:
        home.next_device_key.unlink()


def make_namespace_key(home: Home, entropy: Entropy, passphrase: str | None = None) -> SigningKey:
    """A new owned namespace: its key, kept in the home as the author's is.

    Sealed under `passphrase`, which then opens the author's key too. Raises `BadIdentity`.
    """
    _open_author(home, passphrase)
    key = SigningKey.from_seed(entropy(SEED_BYTES))
    while is_communal(key.public):  # every other key is
        key = SigningKey.from_seed(entropy(SEED_BYTES))
    sealing = passphrase if is_author_sealed(home) else None
    keep_key(home.namespace_key(key.public), key.seed, sealing)
    return key


def open_namespace_key(home: Home, namespace: bytes, passphrase: str | None = None) -> SigningKey:
    """The key of a namespace that was made here; not to be kept. Raises as `open_author`."""
    path = home.namespace_key(namespace)
    try:
        if passphrase is None and is_sealed(path):
            raise BadIdentity(f"{path} is sealed: {NEEDED}", code="sealed")
        # One that was never sealed opens without the passphrase that the author's needs.
        return SigningKey.from_seed(_seed(path, passphrase if is_sealed(path) else None))
    except NotHeld as error:
        raise BadIdentity(str(error), code="no-key") from error
    except BadKeyFile as error:
        raise BadIdentity(str(error)) from error


def _make_device(home: Home, author: SigningKey, entropy: Entropy) -> None:
    device = SigningKey.from_seed(entropy(SEED_BYTES))
    keep_key(home.sealing_key, entropy(SEED_BYTES))  # whoever was sealed to before is another
    granted = device_capabilities(author, DeviceKey(device.public))
    write_device(home, AuthorKey(author.public), device, granted)


def _open_author(home: Home, passphrase: str | None) -> SigningKey:
    if not home.author_key.exists():
        detail = (
            f"the author's key is not on this device ({home.author_key}): do this where it is, or"
            " bring it here with: panspermia id import"
        )
        raise BadIdentity(detail, code="no-key")
    if is_author_sealed(home) and passphrase is None:
        raise BadIdentity(f"{home.author_key} is sealed: {NEEDED}", code="sealed")
    return SigningKey.from_seed(_seed(home.author_key, passphrase))


def is_author_sealed(home: Home) -> bool:
    """Sealed, or kept elsewhere altogether. Raises `BadIdentity`."""
    try:
        return is_sealed(home.author_key)
    except NotHeld:
        return True
    except BadKeyFile as error:
        raise BadIdentity(str(error)) from error


def _seed(path: Path, passphrase: str | None = None) -> bytes:
    try:
        return _checked(read_key(path, passphrase), str(path))
    except NotHeld as error:
        raise BadIdentity(str(error), code="no-key") from error
    except BadKeyFile as error:
        code = "damaged" if passphrase is None else "wrong-passphrase"
        raise BadIdentity(str(error), code=code) from error


def _seed_by(path: Path, passphrases: Sequence[str | None]) -> bytes:
    """With the first of these that opens it."""
    *others, last = passphrases
    for one in others:
        with suppress(BadIdentity):
            return _seed(path, one)
    return _seed(path, last)


def _checked(seed: bytes, where: str) -> bytes:
    if len(seed) != SEED_BYTES:
        raise BadIdentity(f"{where} is damaged: {len(seed)} bytes, not {SEED_BYTES}")
    return seed
