"""Effects in order, and generators that wait for the store."""

import pytest

from p2p.protocol.effects import Close, FindRoot, Query, Send
from p2p.protocol.errors import LocalProtocolError, PeerLeft
from p2p.protocol.frames import Ping
from p2p.protocol.outbox import Outbox, Steps
from tests.p2p.protocol.conversation import MANIFEST_ID


def ask_twice(outbox: Outbox, heard: list[object]) -> Steps[None]:
    heard.append((yield FindRoot(MANIFEST_ID)))
    outbox.send(Ping(1))
    heard.append((yield FindRoot(MANIFEST_ID)))


def test_what_waits_is_resumed_with_its_own_answer_in_any_order() -> None:
    outbox, heard = Outbox(now_s=0.0), list[object]()
    outbox.run(ask_twice(outbox, heard))
    outbox.run(ask_twice(outbox, heard))
    question = FindRoot(MANIFEST_ID)
    assert outbox.drain() == [Query(1, question), Query(2, question)]
    outbox.answered(2, b"second")
    outbox.answered(1, b"first")
    assert heard == [b"second", b"first"]
    assert outbox.drain() == [Send(Ping(1)), Query(3, question), Send(Ping(1)), Query(4, question)]
    assert outbox.drain() == []


@pytest.mark.parametrize("id", [0, -1, 2])
def test_an_answer_to_nothing_is_our_own_bug(id: int) -> None:
    outbox = Outbox(now_s=0.0)
    outbox.run(ask_twice(outbox, []))
    with pytest.raises(LocalProtocolError):
        outbox.answered(id, None)


def test_after_the_close_nothing_is_resumed() -> None:
    outbox, heard = Outbox(now_s=0.0), list[object]()
    outbox.run(ask_twice(outbox, heard))
    reason = PeerLeft("stopping", "")
    outbox.close(reason)
    outbox.answered(1, b"late")
    assert heard == []
    assert outbox.drain()[-1] == Close(reason)
