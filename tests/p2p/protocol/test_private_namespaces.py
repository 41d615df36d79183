"""A group of three and a stranger: all that is said to each, byte by byte, as it is sent.

Alice owns the garden. Bob may read all of it, Carol only what Bob writes, Dave nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from crdt.area import Area
from crdt.blob import BlobId
from crdt.capability import (
    DELEGATIONS_MAX,
    READ,
    CapabilityCache,
    delegate,
    encode_capability,
    own,
)
from crdt.change import SignedEntry
from crdt.ed25519 import SigningKey
from crdt.held import Revocation
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.order import EMPTY_SUMMARY
from p2p.protocol import limits
from p2p.protocol.config import Cut, SessionConfig
from p2p.protocol.effects import BlobFailed, BlobFetched
from p2p.protocol.errors import PeerLeft
from p2p.protocol.frames import (
    Compare,
    Entries,
    Get,
    Have,
    Holding,
    Reconcile,
    Summary,
    Want,
    encode_frame,
)
from p2p.protocol.grants import encode_area
from p2p.protocol.greeting import open_held, present
from p2p.protocol.pieces import CHUNK, PAGE, ROOT
from p2p.protocol.states import State
from tests.p2p.protocol.conversation import (
    ALICES_CHALLENGE,
    EVERYTHING_WANTED,
    HANDSHAKE_HASH,
    Line,
    Side,
    Talk,
    asked,
    entries_of,
    owned_namespace,
    readable_by,
    with_interest,
)
from tests.simulation.people import ALICE, BOB
from tests.simulation.swarms import BlobEvent

GARDEN = owned_namespace("garden")
KEY = NamespaceKey(GARDEN.public)
BOBS_ROWS, OTHER_ROWS = (
    entries_of(seed, 6, namespace=KEY, subspace=subspace)
    for seed, subspace in ((1, BOB.author), (2, b"o" * 32))
)
PUBLIC = entries_of(3, 6)
EVERYTHING = [*BOBS_ROWS, *OTHER_ROWS, *PUBLIC]
SAID_AT = 1_000
SECRET = b"what only the group shall have" * 20


def ids(entries: Sequence[SignedEntry]) -> set[bytes]:
    return {one.id[:16] for one in entries}


def gardener(area: Area | None = None) -> SessionConfig:
    """Who sits at Bob's end, and may read this much."""
    capability = readable_by(GARDEN, BOB.device_key, area)
    return with_interest(BOB, KEY, capability)


def talk_with(peer: SessionConfig, seed: int) -> Talk:
    alice = with_interest(ALICE, KEY, readable_by(GARDEN, ALICE.device_key))
    return Talk(EVERYTHING, [], alices=alice, bobs=peer, seed=seed)


def said_by(side: Side) -> bytes:
    return b"".join(encode_frame(frame) for frame in side.sent)


def tells(said: bytes, entries: Sequence[SignedEntry]) -> bool:
    """Whether any part that names one of `entries` occurs in what was said."""
    parts = (
        part
        for one in entries
        for part in (one.id[:16], one.entry.path[2], one.entry.subspace, one.payload, one.signature)
    )
    return any(part in said for part in parts)


@pytest.mark.parametrize("seed", range(6))
def test_a_stranger_learns_nothing_of_it(seed: int) -> None:
    talk = talk_with(BOB.config(), seed).settle()
    talk.write(talk.alice, entries_of(4, 3, namespace=KEY))
    talk.settle().wait(600.0)
    talk.do(talk.alice, talk.alice.session.leave("stopping", "Good night.", now_s=talk.now_s))
    assert talk.bob.store.ids_held() == ids(PUBLIC)
    said = said_by(talk.alice)
    assert bytes(KEY) not in said
    assert not tells(said, OTHER_ROWS)
    assert not any(one.payload in said or one.id[:16] in said for one in BOBS_ROWS)


@pytest.mark.parametrize("seed", range(6))
def test_who_knows_its_name_and_may_not_read_it_learns_no_more_than_that(seed: int) -> None:
    """She is asked for nothing and told nothing: only that alice knows the name too."""
    talk = talk_with(with_interest(BOB, KEY), seed).settle()
    talk.write(talk.alice, entries_of(4, 3, namespace=KEY))
    talk.settle()
    assert talk.bob.store.ids_held() == ids(PUBLIC)
    assert not tells(said_by(talk.alice), OTHER_ROWS)
    named = [one for one in talk.alice.sent if bytes(KEY) in encode_frame(one)]
    assert [type(one).__name__ for one in named] == ["Present"]


@pytest.mark.parametrize("seed", range(6))
def test_who_may_read_all_of_it_gets_all_of_it(seed: int) -> None:
    talk = talk_with(gardener(), seed).settle()
    assert talk.is_equal
    talk.write(talk.bob, entries_of(4, 3, namespace=KEY, subspace=BOB.author))
    assert talk.settle().is_equal


@pytest.mark.parametrize("seed", range(6))
def test_who_may_read_a_part_gets_that_part_and_hears_of_no_other(seed: int) -> None:
    talk = talk_with(gardener(Area(BOB.author)), seed).settle()
    assert talk.bob.store.ids_held() == ids([*BOBS_ROWS, *PUBLIC])
    news = entries_of(4, 3, namespace=KEY, subspace=b"o" * 32)
    talk.write(talk.alice, news)
    more = entries_of(5, 2, namespace=KEY, subspace=BOB.author)
    talk.write(talk.alice, more)
    talk.settle().wait(600.0)
    assert talk.bob.store.ids_held() == ids([*BOBS_ROWS, *more, *PUBLIC])
    assert not tells(said_by(talk.alice), [*OTHER_ROWS, *news])


def test_who_may_read_any_part_reads_what_judges_it() -> None:
    """Else a reader of one record would go on showing what was revoked."""
    said = [
        replace(one, entry=replace(one.entry, path=(b"_auth", *one.entry.path[1:])))
        for one in entries_of(6, 3, namespace=KEY, subspace=b"o" * 32)
    ]
    alice = with_interest(ALICE, KEY, readable_by(GARDEN, ALICE.device_key))
    peer = gardener(Area(BOB.author))
    talk = Talk([*EVERYTHING, *said], [], alices=alice, bobs=peer, seed=1).settle()
    assert talk.bob.store.ids_held() == ids([*BOBS_ROWS, *PUBLIC, *said])


@pytest.mark.parametrize("seed", range(3))
def test_whose_right_to_read_is_taken_back_gets_nothing_more(seed: int) -> None:
    """Also while the session runs; what was read stays read."""
    talk = talk_with(gardener(), seed).settle()
    assert talk.is_equal
    alice = with_interest(ALICE, KEY, readable_by(GARDEN, ALICE.device_key))
    cut = Cut(KEY, Revocation(bytes(KEY), BOB.device_key), 1)
    talk.do(
        talk.alice,
        talk.alice.session.reconfigure(replace(alice, cuts=frozenset({cut})), now_s=talk.now_s),
    )
    talk.settle()
    news = entries_of(4, 3, namespace=KEY)
    talk.write(talk.alice, news)
    talk.settle().wait(600.0)
    assert talk.bob.store.ids_held().isdisjoint(ids(news))
    again = Line(config=replace(alice, cuts=frozenset({cut})), entries=EVERYTHING)
    assert again.session.state is State.OPEN


def without_bob() -> SessionConfig:
    """Alice, once Bob's right is taken back."""
    alice = with_interest(ALICE, KEY, readable_by(GARDEN, ALICE.device_key))
    return replace(
        alice, cuts=frozenset({Cut(KEY, Revocation(bytes(KEY), BOB.device_key), SAID_AT)})
    )


@pytest.mark.parametrize("seed", range(3))
def test_who_was_away_hears_who_took_the_right_back_and_nothing_else(seed: int) -> None:
    """Bob still thinks that he may read; of the garden he gets the garden's word of him."""
    here, later, others = (
        statement(subspace, timestamp, seed)
        for seed, (subspace, timestamp) in enumerate(
            ((AuthorKey(KEY), SAID_AT), (AuthorKey(KEY), SAID_AT + 1), (BOB.author, 1))
        )
    )
    talk = Talk([*EVERYTHING, here, later, others], [], alices=without_bob(), bobs=gardener())
    talk.settle()
    assert talk.bob.store.ids_held() == ids([*PUBLIC, here])
    assert talk.alice.session.shared == {COMMONS}, "he is no member"
    mine = entries_of(4, 3, namespace=KEY, subspace=BOB.author)
    talk.write(talk.bob, mine)
    talk.settle().wait(600.0)
    assert talk.alice.store.ids_held().isdisjoint(ids(mine))
    said = said_by(talk.alice)
    assert not tells(said, OTHER_ROWS)
    assert not any(one.payload in said or one.id[:16] in said for one in (later, others))


def test_of_many_who_took_it_back_the_first_is_told() -> None:
    """So that whoever may revoke cannot make a session dear."""
    cuts = [
        Cut(KEY, Revocation(bytes(KEY), BOB.device_key, area=area), SAID_AT + later)
        for later, area in enumerate((Area(), Area(BOB.author), Area(BOB.author, (b"pub",))))
    ]
    alice = replace(without_bob(), cuts=frozenset(cuts))
    narrow = gardener(Area(BOB.author, (b"pub",)))
    first, second = (statement(AuthorKey(KEY), SAID_AT + n, n) for n in (0, 1))
    talk = Talk([*EVERYTHING, first, second], [], alices=alice, bobs=narrow).settle()
    assert talk.bob.store.ids_held() == ids([*PUBLIC, first])


def statement(subspace: AuthorKey, timestamp: int, seed: int) -> SignedEntry:
    """What lies under `/_auth` of somebody, as of then."""
    (one,) = entries_of(20 + seed, 1, namespace=KEY, subspace=subspace)
    path = (b"_auth", *one.entry.path[1:])
    return replace(one, entry=replace(one.entry, path=path, timestamp=timestamp))


@pytest.mark.parametrize("seed", range(3))
def test_to_compare_before_one_heard_that_the_right_has_ended_is_no_fault(seed: int) -> None:
    """His frame was on its way; he hears that nothing is here."""
    talk = talk_with(gardener(), seed).settle()
    talk.do(talk.bob, talk.bob.session.reconcile(now_s=talk.now_s))
    while talk.bob.questions:
        query = talk.bob.questions.popleft()
        given = asked(talk.bob.store, query.question)
        talk.do(talk.bob, talk.bob.session.answered(query.id, given, now_s=talk.now_s))
    talk.do(talk.alice, talk.alice.session.reconfigure(without_bob(), now_s=talk.now_s))
    said = len(talk.alice.sent)
    news = entries_of(4, 3, namespace=KEY)
    talk.write(talk.alice, news)
    talk.settle()
    told = [one for one in talk.alice.sent[said:] if isinstance(one, Compare)]
    assert (0, EMPTY_SUMMARY.fingerprint) in [(one.count, one.fingerprint) for one in told]
    assert not tells(said_by(talk.alice), news)
    assert talk.alice.session.state is State.OPEN


def test_what_was_planned_before_a_right_ended_is_not_compared() -> None:
    """Alice is about to compare; her fingerprints would tell what she holds."""
    alice = with_interest(ALICE, KEY, readable_by(GARDEN, ALICE.device_key))
    many = [(KEY, Area(entry.entry.subspace)) for entry in entries_of(7, 9)]  # 8 are opened first
    talk = Talk(EVERYTHING, [], alices=replace(alice, interests=tuple(many)), bobs=gardener())
    while not talk.alice.frames(Reconcile):
        work = [one for one in (talk.alice, talk.bob) if one.arriving or one.questions]
        for side in work:
            if side.arriving:
                arrived = side.arriving.popleft()
                talk.do(side, side.session.receive(arrived, now_s=talk.now_s))
            else:
                query = side.questions.popleft()
                given = asked(side.store, query.question)
                talk.do(side, side.session.answered(query.id, given, now_s=talk.now_s))
    cut = replace(without_bob(), interests=tuple(many))
    talk.do(talk.alice, talk.alice.session.reconfigure(cut, now_s=talk.now_s))
    talk.settle()
    assert len(talk.alice.frames(Reconcile)) <= limits.RECONCILIATIONS_MAX


@pytest.mark.parametrize("seed", range(6))
def test_what_was_not_given_while_a_right_was_taken_back_comes_once_it_is_back(seed: int) -> None:
    """In the same session, in which it was announced and then missing."""
    talk = talk_with(gardener(), seed).settle()
    news = entries_of(4, 3, namespace=KEY)
    talk.write(talk.alice, news)
    talk.do(talk.alice, talk.alice.session.reconfigure(without_bob(), now_s=talk.now_s))
    talk.settle()
    assert talk.bob.store.ids_held().isdisjoint(ids(news))
    again = replace(without_bob(), cuts=frozenset())
    talk.do(talk.alice, talk.alice.session.reconfigure(again, now_s=talk.now_s))
    talk.settle().wait(limits.RECONCILE_EVERY_S)
    assert talk.is_equal


# --- whoever asks for what is not theirs ---------------------------------------------------------


def lines() -> tuple[Line, Line]:
    """Alice with the garden, and alice who never heard of it; the test plays the stranger."""
    knows = with_interest(ALICE, KEY, readable_by(GARDEN, ALICE.device_key))
    return Line(config=knows, entries=EVERYTHING), Line(entries=PUBLIC)


@pytest.mark.parametrize(
    "frame",
    [
        Want(1, KEY, OTHER_ROWS[0].id[:16]),
        Have(KEY, OTHER_ROWS[0].id[:16] + b"x" * 16, False),
        Reconcile(0, KEY, encode_area(Area()), (Summary(None, 1, b"?" * 16),)),
        Reconcile(0, KEY, encode_area(Area(BOB.author)), (Summary(None, 1, b"?" * 16),)),
    ],
)
def test_a_namespace_that_one_may_not_read_answers_as_one_that_is_not_there(
    frame: Want | Have | Reconcile,
) -> None:
    told, untold = lines()
    before = told.store.questions
    assert told.say(frame) == untold.say(frame)
    assert told.fault == untold.fault
    assert told.store.questions == before, "not even the store is asked, which would take time"


@pytest.mark.parametrize("seed", range(3))
def test_who_may_read_a_part_is_given_nothing_else_by_asking_for_it(seed: int) -> None:
    """However they came by its id: answered as what is not held."""
    talk = talk_with(gardener(Area(BOB.author)), seed).settle()
    wanted = b"".join(one.id[:16] for one in (OTHER_ROWS[0], BOBS_ROWS[0]))
    before = len(talk.alice.sent)
    received = encode_frame(Want(99, KEY, wanted))
    talk.do(talk.alice, talk.alice.session.receive(received, now_s=talk.now_s))
    (question,) = talk.alice.questions  # bob's own session never hears the answer
    found = asked(talk.alice.store, question.question)
    talk.do(talk.alice, talk.alice.session.answered(question.id, found, now_s=talk.now_s))
    (answer,) = [one for one in talk.alice.sent[before:] if isinstance(one, Entries)]
    assert [one.signature for one in answer.entries] == [BOBS_ROWS[0].signature]
    assert answer.missing == OTHER_ROWS[0].id[:16]


def test_after_leaving_it_an_owner_of_a_capability_still_names_nothing() -> None:
    """What alice holds of it stays on her disk; not even to a member, who asks unasked, is it told
    that it is there."""
    line = Line(State.PRESENTING, entries=EVERYTHING)
    held = open_held([readable_by(GARDEN, BOB.device_key)], CapabilityCache())
    shown, _ = present(
        held,
        BOB.device,
        handshake_hash=HANDSHAKE_HASH,
        challenge=ALICES_CHALLENGE,
        known={KEY},
    )
    assert line.say(shown, EVERYTHING_WANTED)[0] == EVERYTHING_WANTED
    (answer,) = line.say(Want(1, KEY, BOBS_ROWS[0].id[:16]))
    assert answer == Entries(1, (), (), BOBS_ROWS[0].id[:16])


def test_a_peer_that_shows_long_chains_again_and_again_is_left() -> None:
    """PRESENTED_BYTES_A_TOKEN: a signature for each link, and every frame may bring new ones."""

    def long_chain(number: int) -> bytes:
        key = SigningKey(number.to_bytes(32, "big"))
        capability = own(GARDEN, READ, key.public)
        for step in range(DELEGATIONS_MAX - 1):
            following = SigningKey((1_000 * (step + 1) + number).to_bytes(32, "big"))
            capability = delegate(capability, key, Area(), following.public)
            key = following
        return encode_capability(delegate(capability, key, Area(), BOB.device_key))

    line = Line(State.PRESENTING)
    held = open_held(map(long_chain, range(limits.PRESENTED_MAX)), CapabilityCache())
    shown, _ = present(
        held,
        BOB.device,
        handshake_hash=HANDSHAKE_HASH,
        challenge=ALICES_CHALLENGE,
        known={KEY},
    )
    line.say(shown, EVERYTHING_WANTED)
    assert line.fault == ""
    line.now_s += 1.0
    line.say(shown)
    assert line.fault == ""
    for _ in range(int(limits.CONTROL_FRAMES_BURST) // 10):
        if not line.fault:
            line.say(shown)
    assert line.fault == "flood"


# --- blobs ---------------------------------------------------------------------------------------


def blob_of(talk: Talk, *namespaces: NamespaceKey) -> BlobId:
    """In alice's store, named by records of these namespaces."""
    blob = talk.alice.store.put_blob(SECRET)
    talk.alice.store.named_in[blob] = namespaces
    return blob


def fetch(talk: Talk, blob: BlobId) -> BlobEvent:
    """What came of it."""
    talk.bob.swarm.want(blob)
    talk.settle()
    return talk.bob.swarm.events[-1]


def test_a_blob_is_given_to_who_may_read_what_names_it() -> None:
    for peer, namespaces in ((gardener(), [KEY]), (BOB.config(), [KEY, COMMONS])):
        talk = talk_with(peer, 0).settle()
        assert isinstance(fetch(talk, blob_of(talk, *namespaces)), BlobFetched)


def test_to_anybody_else_it_is_as_if_it_were_not_held() -> None:
    talk = talk_with(BOB.config(), 0).settle()
    blob = blob_of(talk, KEY)
    failed, unheld = fetch(talk, blob), fetch(talk, BlobId(b"u" * 32))
    assert isinstance(failed, BlobFailed)
    assert replace(failed, blob=unheld.blob) == unheld
    assert SECRET[:30] not in said_by(talk.alice)
    assert not isinstance(talk.bob.reason, PeerLeft)


@pytest.mark.parametrize("piece", [ROOT, PAGE, CHUNK])
def test_no_piece_of_it_is_given(piece: int) -> None:
    line, _ = lines()
    blob = line.store.put_blob(SECRET)
    line.store.named_in[blob] = [KEY]
    assert line.say(Get(7, blob, piece, 0, 1, 3)) == [Holding(7, False, ())]
