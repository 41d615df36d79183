"""How far this node looked: to compare all that root keys say, to the end, is what counts."""

from typing import cast

from crdt.area import Area
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.compared import Compared
from p2p.protocol.effects import AreaReconciled
from p2p.transport.connection import Connection
from p2p.transport.network import PeerSaid

GUILD = NamespaceKey(bytes([7]) * 32)
LOGS = (b"_auth",)


def said(namespace: NamespaceKey, area: Area) -> PeerSaid:
    """By whichever peer: a connection is not looked at."""
    return PeerSaid(cast("Connection", None), AreaReconciled(namespace, area, 0, is_equal=True))


def test_the_age_begins_anew_with_each_comparison() -> None:
    now = [100.0]
    compared = Compared(lambda: now[0])
    assert compared.since_s(COMMONS) is None
    compared.note(said(COMMONS, Area(path=LOGS)))
    now[0] += 7
    assert (compared.since_s(COMMONS), compared.since_s(GUILD)) == (7.0, None)
    compared.note(said(COMMONS, Area(path=LOGS)))
    assert compared.since_s(COMMONS) == 0.0


def test_what_an_expelled_peer_is_told_is_no_comparison() -> None:
    """It could hold no revocation back: it was given only the one of itself."""
    compared = Compared(lambda: 1.0)
    for area in (Area(AuthorKey(GUILD), LOGS, 0, 9), Area(path=LOGS, end=9), Area(path=(b"pub",))):
        compared.note(said(GUILD, area))
    assert compared.since_s(GUILD) is None
