"""Alice, Bob and the others: their keys, and entries that look like theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from random import Random

from crdt.area import Area
from crdt.change import SignedEntry, Signer, device_capabilities
from crdt.digest import payload_digest
from crdt.ed25519 import SigningKey
from crdt.entry import Entry
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.path import ChangePath
from p2p.protocol.config import SessionConfig

EVERYTHING = ((COMMONS, Area()),)


@dataclass(frozen=True, slots=True)
class Person:
    """An author with one device."""

    name: str
    root: SigningKey
    device: SigningKey

    @property
    def author(self) -> AuthorKey:
        return AuthorKey(self.root.public)

    @property
    def device_key(self) -> DeviceKey:
        return DeviceKey(self.device.public)

    @property
    def _capabilities(self) -> Mapping[str, bytes]:
        return _given(self)

    def signer(self) -> Signer:
        return Signer(self.device, self.author, self._capabilities)

    def config(
        self,
        *,
        interests: tuple[tuple[NamespaceKey, Area], ...] = EVERYTHING,
        read_capabilities: tuple[bytes, ...] = (),
        answer_bytes: int = 32 << 10,
    ) -> SessionConfig:
        capability = self._capabilities["pub"]
        return SessionConfig(
            self.device,
            self.author,
            capability,
            interests,
            read_capabilities=read_capabilities,
            agent=self.name,
            answer_bytes=answer_bytes,
        )


@cache
def _given(person: Person) -> Mapping[str, bytes]:
    """The same bytes however often they are signed."""
    return device_capabilities(person.root, person.device_key)


def person(name: str) -> Person:
    """The same keys for the same name."""
    random = Random(name)
    return Person(name, SigningKey(random.randbytes(32)), SigningKey(random.randbytes(32)))


ALICE, BOB = person("alice"), person("bob")


def made_up_entry(
    random: Random,
    *,
    namespace: NamespaceKey = COMMONS,
    subspace: bytes | None = None,
    cls: str = "pub",
    payload_bytes: int = 32,
) -> SignedEntry:
    """An entry of the right shape that nobody signed, for stores that do not check."""
    payload = random.randbytes(payload_bytes)
    digest = payload_digest(payload)
    author = AuthorKey(subspace or random.randbytes(32))
    record = random.randbytes(16).hex().encode()
    path = ChangePath(cls, "mod", record, 0, DeviceKey(random.randbytes(32)), 1, digest)
    entry = Entry(namespace, author, path.path(), random.randrange(1 << 50), len(payload), digest)
    return SignedEntry(entry, author + b" may write", random.randbytes(64), payload)
