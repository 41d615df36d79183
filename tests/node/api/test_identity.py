"""Whom a node speaks for, and which of the author's devices have been writing."""

import os
from pathlib import Path

from crdt.area import Area
from crdt.keys import COMMONS
from crdt.order import Bounds
from node.home import Home
from node.identity import export_author, import_author
from tests.node.modules import new_module
from tests.node.parts import Alice, open_alice


async def test_a_node_that_has_written_nothing(alice: Alice) -> None:
    answer = (await alice.client.get("/api/identity")).json()
    assert answer["did"] == alice.node.identity.did
    assert answer["devices"] == [{"did": answer["device"], "is_this_node": True, "entries": 0}]


async def test_the_devices_of_an_author(alice: Alice, tmp_path: Path) -> None:
    """Alice's key goes to a second home, whose node writes; then hers hears of it."""
    for number in range(2):
        await alice.client.post("/api/modules", json=new_module(f"org.example.add{number}"))
    sealed = export_author(alice.node.home, "correct horse", os.urandom)
    laptop_home = Home(tmp_path / "laptop")
    import_author(laptop_home, sealed, "correct horse", os.urandom)
    async with open_alice(laptop_home.path) as laptop, open_alice(tmp_path / "bob") as bob:
        for node, id in ((laptop, "org.example.laptop"), (bob, "org.example.bob")):
            assert (await node.client.post("/api/modules", json=new_module(id))).is_success
            ids = await node.node.store.ids(COMMONS, Area(), Bounds())
            entries = await node.node.store.entries(COMMONS, ids)
            await alice.node.store.receive(entries, source="peer")
        assert laptop.node.identity.did == alice.node.identity.did
        answer = (await alice.client.get("/api/identity")).json()
        assert answer["devices"] == [
            {"did": alice.node.identity.device_did, "is_this_node": True, "entries": 2},
            {"did": laptop.node.identity.device_did, "is_this_node": False, "entries": 1},
        ]
