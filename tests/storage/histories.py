"""Small histories at random: people who pass rights on, take them back, fork, backdate, roll over.

A `History` is made from a seed alone: entries, as a hostile mix of devices would sign them, and the
blobs of some frontiers. `tell` gives it to a store in an order and batches of another seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from crdt.area import Area
from crdt.blob import BlobId, build_manifest
from crdt.capability import WRITE, Capability, CapabilityCache, delegate, encode_capability, own
from crdt.change import (
    CheckedEntry,
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    log_of,
    sign_change,
    sign_statement,
)
from crdt.digest import payload_digest
from crdt.document import Document, Editor
from crdt.ed25519 import SigningKey
from crdt.errors import CrdtError
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.path import AUTHORITY, CHECKPOINT
from crdt.statement import (
    Checkpoint,
    Drop,
    Frontier,
    Heads,
    Heartbeat,
    Revoke,
    Statement,
    Unrevoke,
    encode_frontier,
)
from storage.errors import NotHeld
from storage.store import Store

_SEEDS: Final = {"group": 49, "alice": 1, "bob": 2, "phone": 101, "laptop": 102, "carol": 103}
KEYS: Final = {name: SigningKey.from_seed(bytes([seed]) * 32) for name, seed in _SEEDS.items()}
NAMES: Final = {key.public: name for name, key in KEYS.items()}
GROUP: Final = NamespaceKey(KEYS["group"].public)
ALICES: Final = AuthorKey(KEYS["alice"].public)
BOBS: Final = AuthorKey(KEYS["bob"].public)
TIMES: Final = 40
# Outside of a right; or on top of both sides of a fork, which the library does not load.
_IMPOSSIBLE: Final = {"outside-area", "not-the-owners", "library-refused"}


@dataclass(frozen=True)
class Right:
    """A way to write: a capability, by which device."""

    capability: Capability
    device: SigningKey

    def signer(self, cls: str) -> Signer:
        encoded = encode_capability(self.capability)
        return Signer(self.device, ALICES, {cls: encoded})


def _passed_on(root: Capability, names: str, *areas: Area) -> Right:
    """Handed from one to the next; the last of `areas` goes on holding."""
    capability = root
    for place, name in enumerate(names.split()):
        area = areas[min(place, len(areas) - 1)]
        giver = KEYS[NAMES[capability.receiver]]
        capability = delegate(capability, giver, area, KEYS[name].public)
    return Right(capability, KEYS[NAMES[capability.receiver]])


def _rights(namespace: NamespaceKey) -> list[Right]:
    """Of alice's subspace: directly from her, through bob, through her own phone; some end."""
    whole = Area(ALICES)
    if namespace == COMMONS:
        root = Capability(WRITE, COMMONS, ALICES)
    else:
        root = delegate(own(KEYS["group"], WRITE, GROUP), KEYS["group"], Area(), ALICES)
    ended = replace(whole, end=TIMES // 2)
    return [
        _passed_on(root, "phone", whole),
        _passed_on(root, "laptop", whole),
        _passed_on(root, "bob laptop", whole),
        _passed_on(root, "bob carol", whole),
        _passed_on(root, "phone carol", whole),
        _passed_on(root, "laptop", ended),
        _passed_on(root, "carol", ended),
        _passed_on(root, "bob phone", whole, ended),
    ]


def roots_of(namespace: NamespaceKey) -> list[tuple[AuthorKey, Right]]:
    """Who speaks under `/_auth`, in whose subspace; in a group by several ways."""
    alice, bob = KEYS["alice"], KEYS["bob"]
    if namespace == COMMONS:
        return [
            (ALICES, Right(Capability(WRITE, COMMONS, ALICES), alice)),
            (BOBS, Right(Capability(WRITE, COMMONS, BOBS), bob)),
        ]
    all_of_it = own(KEYS["group"], WRITE, GROUP)
    given = delegate(all_of_it, KEYS["group"], Area(), ALICES)
    return [
        (AuthorKey(GROUP), Right(all_of_it, KEYS["group"])),
        (ALICES, Right(given, alice)),
        (BOBS, _passed_on(given, "bob", Area())),
        (BOBS, _passed_on(all_of_it, "bob", Area())),
        (ALICES, _passed_on(all_of_it, "bob alice", Area())),
    ]


@dataclass
class History:
    """Everything that was ever said, in an order in which it could have been."""

    entries: list[SignedEntry] = field(default_factory=list[SignedEntry])
    blobs: list[bytes] = field(default_factory=list[bytes])


class Historian:
    """Makes one history."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.history = History()
        self._cache = CapabilityCache()
        self._of: dict[DocumentId, list[CheckedEntry]] = {}
        self._said: list[CheckedEntry] = []
        namespaces = [COMMONS] if seed % 3 else [COMMONS, GROUP]
        records = ["clock", "dice"]
        self._documents = [
            DocumentId(namespace, ALICES, cls, "mod", record.encode(), epoch)
            for namespace in namespaces
            for cls, record in [*(("pub", one) for one in records), ("rate", "clock")]
            for epoch in ((0, 1, 2) if record == "clock" and cls == "pub" else (0,))
        ]
        self._documents += [one for one in self._documents if one.epoch == 0] * 2

    def make(self, steps: int, *, is_quiet: bool = False) -> History:
        """`is_quiet`: nobody says anything of rights, so most of what is written counts."""
        acts = [self._write] * 9 + [self._sign_again] * 2 + [self._say] * 4 + [self._mark] * 2
        acts = acts[:11] if is_quiet else acts
        for step in range(steps):
            try:
                self.random.choice(acts)(1 + step * TIMES // steps)
            except CrdtError as error:  # of what nobody could have sent, nothing is kept
                if error.code not in _IMPOSSIBLE:
                    raise
        return self.history

    def _keep(self, signed: SignedEntry) -> None:
        checked = check_entry(signed, self._cache)
        held = self._of.setdefault(checked.document, [])
        if all(one.id != checked.id for one in held):
            held.append(checked)
            self.history.entries.append(signed)
            if checked.statement is not None:
                self._said.append(checked)

    def _time(self, now: int) -> int:
        """Now, or a lie."""
        return now if self.random.random() < 0.7 else self.random.randrange(1, TIMES)

    def _seen(self, namespace: NamespaceKey) -> list[bytes]:
        """Authority heads: mostly none, some of them made up or of another namespace."""
        dice = self.random.random()
        if dice < 0.75:
            return []
        if dice < 0.78:
            return [self.random.randbytes(32)]
        said = [one.id for one in self._said]
        return self.random.sample(said, min(len(said), self.random.randrange(1, 3)))

    def _write(self, now: int) -> None:
        document = self.random.choice(self._documents)
        right = self.random.choice(_rights(document.namespace))
        view = self._view(document, right.device.public)
        draft = Document.open(document.cls, document.kind, right.device.public)
        draft.receive(list({one.change.hash: one.raw for one in view}.values()))
        raw = draft.change(self._edit(document))
        if raw is None:
            return
        own = [one for one in view if one.device == right.device.public]
        last = max((one.seq for one in own), default=0)
        self._keep(
            sign_change(
                raw,
                document,
                signer=right.signer(document.cls),
                prev=self.random.choice([one.id for one in own if one.seq == last])
                if own
                else None,
                auth_heads=self._seen(document.namespace),
                timestamp=self._time(now),
            )
        )

    def _edit(self, document: DocumentId) -> Callable[[Editor], None]:
        value = self.random.randrange(1, 6)
        if document.cls == "rate":
            return lambda editor: editor.put(("rating", "stars"), value)
        if document.epoch and self.random.random() < 0.5:
            heads = sorted(one.change.hash for one in self._of.get(replace(document, epoch=0), []))
            carried = b"".join(heads[:2]) or bytes(32)
            return lambda editor: editor.put(("carried",), carried)
        key = self.random.choice(("name", "description"))
        return lambda editor: editor.put(("head", key), f"{value}-{document.epoch}")

    def _view(self, document: DocumentId, device: bytes) -> list[CheckedEntry]:
        """What a device had of a document when it wrote: mostly all, sometimes less, its own last
        change left out now and then: then it uses a number twice.
        """
        held = self._of.get(document, [])
        dice = self.random.random()
        if dice < 0.45:
            return held
        heads = {one.change.hash for one in held if self.random.random() < 0.5}
        if dice < 0.75:
            heads |= {one.change.hash for one in held if one.device == device}
        known, todo = set[bytes](), list(heads)
        while todo:
            if (head := todo.pop()) not in known:
                known.add(head)
                todo += [
                    parent
                    for one in held
                    if one.change.hash == head
                    for parent in one.change.dependencies
                ]
        return [one for one in held if one.change.hash in known]

    def _sign_again(self, now: int) -> None:
        """The same change under another right, or with another header."""
        changes = [one for held in self._of.values() for one in held if one.statement is None]
        if not changes:
            return
        old = self.random.choice(changes)
        rights = [r for r in _rights(old.document.namespace) if r.device.public == old.device]
        before = [
            one.id
            for one in self._of[old.document]
            if one.device == old.device and one.seq == old.seq - 1
        ]
        self._keep(
            sign_change(
                old.raw,
                old.document,
                signer=self.random.choice(rights).signer(old.document.cls),
                prev=self.random.choice(before) if before else None,
                auth_heads=self._seen(old.document.namespace),
                timestamp=self._time(now),
            )
        )

    def _say(self, now: int) -> None:
        namespace = self.random.choice(self._documents).namespace
        subspace, right = self.random.choice(roots_of(namespace))
        dice = self.random.random()
        statement: Statement
        if dice < 0.6:
            place = self.random.choice(self._documents)
            area = Area() if self.random.random() < 0.7 else _area_of(place)
            key = KEYS[self.random.choice(("phone", "laptop", "carol", "bob", "alice", "phone"))]
            statement = Revoke(key.public, self.frontier(namespace), area)
        elif dice < 0.9:
            revoked = [one for one in self._said if isinstance(one.statement, Revoke)]
            if not revoked:
                return
            statement = Unrevoke(self.random.choice(revoked).signed.entry.payload_digest)
        else:
            statement = Heartbeat() if dice < 0.95 else Drop(b"d" * 80, ())
        self._declare(statement, log_of(namespace, subspace, AUTHORITY), right, now)

    def _mark(self, now: int) -> None:
        namespace = self.random.choice(self._documents).namespace
        right = self.random.choice(_rights(namespace))
        log = log_of(namespace, ALICES, CHECKPOINT)
        self._declare(Checkpoint(self.frontier(namespace)), log, right, now)

    def _declare(self, statement: Statement, log: DocumentId, right: Right, now: int) -> None:
        own = [one for one in self._of.get(log, []) if one.device == right.device.public]
        if own and self.random.random() < 0.1:
            own.pop()
        last = max(own, key=lambda one: one.seq, default=None)
        self._keep(
            sign_statement(
                statement,
                log,
                seq=last.seq + 1 if last else 1,
                signer=right.signer(log.cls),
                prev=last.signed.entry.payload_digest if last else None,
                auth_heads=self._seen(log.namespace),
                timestamp=self._time(now),
            )
        )

    def frontier(self, namespace: NamespaceKey) -> Frontier:
        """Of all that there is, some of it, or nothing; now and then as a blob."""
        heads: dict[bytes, Heads] = {}
        is_all = self.random.random() < 0.4
        for document, held in self._of.items():
            if document.namespace != namespace or (not is_all and self.random.random() < 0.5):
                continue
            built_on = {parent for one in held for parent in one.change.dependencies}
            chosen = {
                one.change.hash
                for one in held
                if (one.change.hash not in built_on if is_all else self.random.random() < 0.4)
            }
            if chosen:
                heads[document.encode()] = tuple(sorted(chosen))
        if self.random.random() < 0.8:
            return Frontier(heads)
        data = encode_frontier(heads)
        self.history.blobs.append(data)
        return Frontier(blob=_blob_id(data))


def _area_of(document: DocumentId) -> Area:
    return Area(document.subspace, (document.cls.encode(), document.kind.encode(), document.record))


def _blob_id(data: bytes) -> BlobId:
    return build_manifest([payload_digest(data)], len(data)).id


async def tell(store: Store, history: History, seed: int, *, batch_max: int) -> None:
    """Gives all of it to the store, in an order and in batches that the seed says."""
    random = Random(seed)
    units: list[SignedEntry | bytes] = [*history.entries, *history.blobs]
    if seed:
        random.shuffle(units)
    batch: list[SignedEntry] = []
    size = random.randint(1, batch_max)
    for unit in units:
        if isinstance(unit, SignedEntry):
            batch.append(unit)
        else:
            await store.put_blob(unit)
            if random.random() < 0.5:
                await know(store)
        if len(batch) >= size:
            await receive(store, batch)
            batch, size = [], random.randint(1, batch_max)
            if random.random() < 0.2:
                await know(store)
                await store.settle()
    await receive(store, batch)
    await know(store)
    await store.settle()


async def receive(store: Store, batch: list[SignedEntry]) -> None:
    received = await store.receive(batch, source="peer")
    assert received.refused == (), received.refused


async def know(store: Store) -> None:
    """As a node does with blobs of frontiers that have come."""
    for blob, _ in await store.wanted_frontiers():
        try:
            await store.know_frontier(blob)
        except NotHeld:
            continue
