"""With which capability a device writes, and what it is told where it may not."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.capability import WRITE, Capability, delegate, encode_capability, own
from crdt.change import DocumentId
from crdt.document import Editor
from crdt.ed25519 import SigningKey
from crdt.entry import tai_from_unix_us
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.errors import NotAllowed
from node.home import Home
from node.identity import load_or_create
from node.services.signers import Signers
from storage.store import Store
from tests.storage.conftest import store as store
from tests.storage.people import BOB, NOW_US
from tests.storage.test_namespaces import GROUP, NAMESPACE

NOW = tai_from_unix_us(NOW_US)


class Alice:
    def __init__(self, path: Path, store: Store) -> None:
        home = Home(path)
        home.make()
        self.identity = load_or_create(home, os.urandom)
        self.root = SigningKey.from_seed(bytes.fromhex(home.author_key.read_text().split()[-1]))
        self.store = store
        self.signers = Signers(self.identity, store, lambda: NOW_US)

    def document(self, namespace: NamespaceKey = NAMESPACE, record: str = "io.a.b") -> DocumentId:
        return DocumentId(namespace, self.identity.author, "pub", "mod", record.encode())

    async def is_given(self, area: Area, root: Capability | None = None) -> bytes:
        """Her root key gets what is asked for, and her device `area` of it."""
        whole = root or own(GROUP, WRITE, self.identity.author)
        to_device = delegate(whole, self.root, area, self.identity.device.public)
        await self.store.keep_capability(encode_capability(whole), "invite")
        return (await self.store.keep_capability(encode_capability(to_device), "own")).encoded

    @property
    def own_area(self) -> Area:
        return Area(self.identity.author, (b"pub",))


@pytest.fixture
def alice(tmp_path: Path, store: Store) -> Alice:
    return Alice(tmp_path / "home", store)


def edit(editor: Editor) -> None:
    editor.put(("head", "name"), "b")


async def test_in_commons_a_device_writes_as_its_author_from_the_start(alice: Alice) -> None:
    assert await alice.signers.for_document(alice.document(COMMONS)) == alice.identity.signer


async def test_in_a_namespace_it_writes_with_what_the_wallet_holds(alice: Alice) -> None:
    encoded = await alice.is_given(alice.own_area)
    signer = await alice.signers.for_document(alice.document())
    assert signer.capabilities == {"pub": encoded}
    committed = await alice.store.commit(alice.document(), edit, signer)
    assert committed
    received = await alice.store.receive([committed.signed], source="bob")
    assert (received.known, received.refused) == (1, ())


async def test_the_shortest_chain_that_reaches_there_is_taken(alice: Alice) -> None:
    bobs = own(GROUP, WRITE, BOB.root.public)
    long = delegate(bobs, BOB.root, Area(alice.identity.author), alice.identity.author)
    await alice.is_given(alice.own_area, long)
    narrow = await alice.is_given(Area(alice.identity.author, (b"pub", b"mod", b"io.a.b")))
    other = alice.document(record="io.a.c")
    assert (await alice.signers.for_document(alice.document())).capabilities["pub"] == narrow
    assert (await alice.signers.for_document(other)).capabilities["pub"] != narrow


async def test_a_publisher_writes_another_authors_record(alice: Alice) -> None:
    bobs = AuthorKey(BOB.root.public)
    place = Area(bobs, (b"pub", b"mod", b"io.bob.clock"))
    given = delegate(Capability(WRITE, COMMONS, bobs), BOB.root, place, alice.identity.author)
    encoded = await alice.is_given(place, given)
    document = DocumentId(COMMONS, bobs, "pub", "mod", b"io.bob.clock")
    signer = await alice.signers.for_document(document)
    assert signer.capabilities == {"pub": encoded}
    assert await alice.store.commit(document, edit, signer)
    with pytest.raises(NotAllowed, match=r"io\.bob\.other.* for other places"):
        await alice.signers.for_document(replace(document, record=b"io.bob.other"))


@pytest.mark.parametrize(
    ("times", "why"), [((0, NOW), "has expired"), ((NOW + 1, None), "not in force yet")]
)
async def test_out_of_its_time_it_is_said_so(
    alice: Alice, times: tuple[int, int | None], why: str
) -> None:
    await alice.is_given(replace(alice.own_area, start=times[0], end=times[1]))
    with pytest.raises(NotAllowed, match=why):
        await alice.signers.for_document(alice.document())


async def test_without_any_it_is_said_whom_to_ask(alice: Alice) -> None:
    with pytest.raises(NotAllowed, match="no capability to write there at all") as caught:
        await alice.signers.for_document(alice.document())
    assert caught.value.reason == "no-capability"
    assert "can give it one" in caught.value.detail
