"""Who keeps hears of peers, also of those who came before it listened."""

from pathlib import Path

import pytest

from crdt.keys import COMMONS, NamespaceKey
from node.keeping.keeping import Keeping
from node.keeping.sessions import Listener, follow_sessions
from p2p.protocol.effects import Synced
from p2p.protocol.session import Session
from p2p.transport.network import PeerCame, sync_with
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


async def test_who_was_compared_with_before_it_listened_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody says it once more: it would hold everything up for as long as that may take."""
    async with open_node(tmp_path / "a", 1) as alice, open_node(tmp_path / "b", 2) as bob:
        connection = await bob.network.connect(alice.address)
        assert isinstance(await sync_with(connection), Synced)
        monkeypatch.setattr(Session, "shared", frozenset({COMMONS, NamespaceKey(b"g" * 32)}))
        compared, other = (Keeping(bob.store, Givers(alice=bob.store), 1_000) for _ in range(2))
        follow_sessions(compared, bob.network, [])
        assert _may_ask(compared)
        other.came("a member that nothing was compared with", lambda: True)
        assert not _may_ask(other)


def _may_ask(keeping: Keeping) -> bool:
    return keeping._may_ask(0.0)  # pyright: ignore[reportPrivateUsage]  # what a place asks first
