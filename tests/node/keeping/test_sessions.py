"""Who keeps hears of peers, also of those who came before it listened."""

from pathlib import Path

from node.keeping.keeping import Keeping
from node.keeping.sessions import Listener, follow_sessions
from p2p.transport.network import PeerCame
from tests.node.keeping.test_keeping import Givers
from tests.p2p.transport.test_network import open_node


async def test_a_peer_that_came_before_it_listened_is_here_too(tmp_path: Path) -> None:
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        listeners: list[Listener] = []
        keeping = Keeping(bob.store, Givers(alice=bob.store), 1_000)
        assert not keeping.has_peers
        await bob.network.connect(alice.address)
        await bob.heard(PeerCame)
        follow_sessions(keeping, bob.network, listeners)
        assert keeping.has_peers
        assert len(listeners) == 1
