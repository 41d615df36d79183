"""After a reconnect only the difference is talked about: two nodes on loopback, by their bytes."""

from pathlib import Path

from p2p.transport.network import PeerWent, sync_with
from tests.p2p.transport.test_moves import fill, holds_all_of
from tests.p2p.transport.test_network import Node, open_node, until

RECORDS = 1_000
ID_BYTES = 16  # of an entry, as a list of them names it: thus 16 KB for all
GREETING_BYTES_MAX = 4_096  # both Hellos, the rights shown, what each wants, the ping


async def met_anew(alice: Node, bob: Node) -> int:
    """Bytes both ways from a new handshake on, until both say that they are in step."""
    connection = await bob.network.connect(alice.address)
    assert type(await sync_with(connection)).__name__ == "Synced"
    await until(lambda: is_even(alice, bob))
    report = connection.session.report
    connection.leave("over", "The test goes on.")
    await alice.heard(PeerWent)
    return report.received_bytes + report.sent_bytes


async def is_even(alice: Node, bob: Node) -> bool:
    return await alice.store.counts() == await bob.store.counts()


async def test_after_a_reconnect_only_the_difference_is_talked_about(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        await fill(alice, RECORDS)
        await bob.network.connect(alice.address)
        await holds_all_of(bob, alice, RECORDS)
        (connection,) = bob.network.connections
        connection.leave("over", "The test goes on.")
        await alice.heard(PeerWent)

        nothing = await met_anew(alice, bob)
        assert nothing < GREETING_BYTES_MAX

        await alice.write("news", "x" * 100)
        await bob.write("other news", "x" * 100)
        little = await met_anew(alice, bob)
        print(f"{nothing} bytes for nothing new, {little} for an entry each way")
        assert nothing < little < nothing + RECORDS * ID_BYTES // 4
