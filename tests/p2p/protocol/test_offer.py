"""Announcing: what the peer lacks and what is new, no faster than it takes."""

from crdt.area import Area
from crdt.keys import COMMONS, NamespaceKey
from p2p.protocol import limits
from p2p.protocol.config import Role
from p2p.protocol.errors import PeerTimeout
from p2p.protocol.frames import Credit, Entries, Frame, Have, Listed, Pong, Reconcile, Want
from p2p.protocol.offer import FAMILIAR_MAX, NEWS_IDS_MAX
from tests.p2p.protocol.conversation import Line, Talk, entries_of
from tests.simulation.people import ALICE, BOB


def haves(frames: list[Frame]) -> list[Have]:
    return [frame for frame in frames if isinstance(frame, Have)]


def announced(frames: list[Frame]) -> int:
    return sum(len(have.ids) // 16 for have in haves(frames))


def news(line: Line, ids: list[bytes], namespace: NamespaceKey = COMMONS) -> list[Frame]:
    before = len(line.sent)
    line.do(line.session.appended(namespace, ids, now_s=line.now_s))
    return line.sent[before:]


def ids(count: int, first: int = 0) -> list[bytes]:
    return [number.to_bytes(32, "little") for number in range(first + 1, first + count + 1)]


def test_a_new_entry_is_announced_at_once() -> None:
    assert news(Line(), ids(1)) == [Have(COMMONS, ids(1)[0][:16], False)]


def test_live_push_reaches_the_other_store() -> None:
    talk = Talk().settle()
    talk.write(talk.bob, entries_of(1, 300))
    assert talk.settle().is_equal
    talk.write(talk.alice, entries_of(2, 1))
    assert talk.settle().is_equal
    assert len(talk.alice.store.ids_held()) == 301


def test_what_the_peer_announced_or_asked_for_is_no_news_to_it() -> None:
    line = Line()
    (known,) = ids(1)
    line.say(Have(COMMONS, known[:16], False))
    assert news(line, [known]) == []
    (asked_for,) = ids(1, first=7)
    line.say(Want(1, COMMONS, asked_for[:16]))
    assert news(line, [asked_for]) == []


def test_only_so_many_ids_are_remembered_as_familiar() -> None:
    line = Line()
    for first in range(0, FAMILIAR_MAX + 1, limits.WANT_IDS_MAX):
        some = b"".join(id[:16] for id in ids(limits.WANT_IDS_MAX, first))
        line.say(Want(first, COMMONS, some))
    assert announced(news(line, ids(1))) == 1


def test_news_outside_of_what_the_peer_wants_is_kept_back() -> None:
    bobs = entries_of(3, 2, subspace=BOB.author)
    others = entries_of(4, 2)
    line = Line(config=ALICE.config(interests=((COMMONS, Area(BOB.author)),)))
    line.store.add([*bobs, *others])
    said = haves(news(line, [signed.id for signed in (*others, *bobs)]))
    assert b"".join(have.ids for have in said) == b"".join(signed.id[:16] for signed in bobs)
    assert news(line, ids(1), NamespaceKey(b"x" * 32)) == []


def test_announcements_wait_for_credit() -> None:
    line = Line()
    assert announced(news(line, ids(limits.HAVE_CREDIT_IDS))) == limits.HAVE_CREDIT_IDS
    assert news(line, ids(5, first=5_000)) == []
    assert announced(line.say(Credit(4))) == 0
    assert announced(line.say(Credit(1))) == 5


def test_more_credit_than_was_used_is_refused() -> None:
    line = Line()
    line.say(Credit(1))
    assert line.fault == "credit"


def test_a_peer_that_gives_no_credit_is_left_at_last() -> None:
    line = Line()
    news(line, ids(limits.HAVE_CREDIT_IDS))
    news(line, ids(1, first=5_000))
    for second in range(int(limits.ANSWER_S)):
        assert line.reason is None, second
        line.say(Pong(0))
        line.tick(1.0)
    assert isinstance(line.reason, PeerTimeout)
    assert line.reason.code == "no-answer"


def test_too_much_news_is_forgotten_and_a_reconciliation_finds_it() -> None:
    """NEWS_IDS_MAX wait for credit; what is beyond is compared once all that has been announced."""
    line = Line(role=Role.RESPONDER)
    news(line, ids(limits.HAVE_CREDIT_IDS))
    news(line, ids(NEWS_IDS_MAX, first=5_000))
    assert news(line, ids(1, first=10_000)) == []
    said = [*line.say(Credit(limits.HAVE_CREDIT_IDS)), *line.say(Credit(NEWS_IDS_MAX))]
    opened = [frame for frame in said if isinstance(frame, Reconcile)]
    assert [one.number % 2 for one in opened] == [1, 1]  # `_auth`, then everything


def test_a_flood_of_news_reaches_the_other_store_all_the_same() -> None:
    talk = Talk().settle()
    flood = entries_of(5, limits.HAVE_CREDIT_IDS + NEWS_IDS_MAX)
    talk.write(talk.bob, flood[:NEWS_IDS_MAX])
    talk.write(talk.bob, flood[NEWS_IDS_MAX:])
    talk.write(talk.bob, entries_of(6, 50))
    assert talk.settle().is_equal
    assert talk.bob.frames(Reconcile)


def test_listed_comes_after_what_was_offered() -> None:
    talk = Talk([], entries_of(7, 3_000)).settle()
    said = [frame for frame in talk.bob.sent if isinstance(frame, Have | Listed | Entries)]
    (last_listed,) = [
        at for at, frame in enumerate(said) if isinstance(frame, Listed) and frame.number == 2
    ]
    assert not [frame for frame in said[last_listed:] if isinstance(frame, Have)]
    assert sum(len(have.ids) // 16 for have in talk.bob.frames(Have)) == 3_000
    assert max(len(have.ids) for have in talk.bob.frames(Have)) <= 16 * limits.HAVE_IDS_MAX
