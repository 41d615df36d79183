"""A revoked device names a private state wherever it may still write: that opens it to nobody."""

from dataclasses import replace

import pytest

from crdt.area import Area
from crdt.blob import BlobId
from crdt.change import DocumentId, Signer, device_capabilities
from crdt.document import Editor
from crdt.keys import COMMONS, DeviceKey, NamespaceKey
from crdt.statement import Revoke
from storage.store import Store
from tests.storage.people import ALICE
from tests.storage.test_authority import LOG, ROOT
from tests.storage.test_carried import PHONE, begun
from tests.storage.test_snapshots import MAIN, created, keeps, taken
from tests.storage.test_unshown import new as new

MEADOW = NamespaceKey(bytes([2]) * 32)
SECRET = replace(MAIN, namespace=MEADOW, record=b"universe:secret")
STATE = bytes(range(256)) * 12
STRANGER = [(COMMONS, Area())]
OF_MEADOW = [*STRANGER, (MEADOW, Area())]


@pytest.mark.parametrize(
    "where", [MAIN, replace(MAIN, record=b"universe:none-of-hers")], ids=["hers", "new"]
)
@pytest.mark.parametrize("is_first", [True, False])
async def test_what_does_not_count_opens_no_blob(
    new: Store, where: DocumentId, is_first: bool
) -> None:
    await begun(new)
    await new.declare(Revoke(PHONE.signer.device.public), LOG, ROOT)
    blob = await new.put_blob(STATE)
    if is_first:
        await tells(new, where, blob)
    rights = device_capabilities(ALICE.root, DeviceKey(ALICE.signer.device.public), MEADOW)
    hand = Signer(ALICE.signer.device, ALICE.signer.author, rights)
    await new.commit(SECRET, created(), hand)
    await new.commit(SECRET, keeps(taken(1, blob)), hand)
    if not is_first:
        await tells(new, where, blob)
    assert not await new.may_read_blob(blob, STRANGER)
    assert not await new.may_know_blob(blob, STRANGER)
    assert await new.may_read_blob(blob, OF_MEADOW)


async def tells(store: Store, where: DocumentId, blob: BlobId) -> None:
    """Of no snapshot: bytes that only look like one."""

    def junk(edit: Editor) -> None:
        edit.put(("gate", "junk"), b"\x64blob\x58\x20" + blob + bytes(200))

    await store.receive(PHONE.writes(where, junk), source="thief")
    state = await store.read(where)
    assert state is not None, "it is known"
    assert state.left_out, "and does not count"
