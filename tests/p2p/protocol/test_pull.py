"""Asking for entries: what was announced is asked for once, within bounds, and judged."""

import pytest

from crdt.area import Area
from crdt.change import SignedEntry
from crdt.entry import encode_entry
from crdt.keys import COMMONS
from p2p.protocol import limits
from p2p.protocol.effects import EntriesRefused, Holds, KeptOut, Receive
from p2p.protocol.frames import Credit, Entries, Frame, Have, Reconcile, SentEntry, Summary, Want
from p2p.protocol.grants import encode_area
from p2p.protocol.limits import HAVE_IDS_MAX, WANT_IDS_MAX, WANTS_OUTSTANDING_MAX
from p2p.protocol.pull import TOO_MANY_REVOKED
from p2p.protocol.serve import pack_entries
from tests.p2p.protocol.conversation import Line, entries_of
from tests.simulation.people import ALICE

SOME = entries_of(1, 40)


def ids_of(entries: list[SignedEntry]) -> bytes:
    return b"".join(signed.id[:16] for signed in entries)


def have(entries: list[SignedEntry], *, is_urgent: bool = False) -> Have:
    return Have(COMMONS, ids_of(entries), is_urgent)


def haves(entries: list[SignedEntry]) -> list[Have]:
    """As many frames as it takes to announce all of them."""
    return [have(entries[at : at + HAVE_IDS_MAX]) for at in range(0, len(entries), HAVE_IDS_MAX)]


def wants(frames: list[Frame]) -> list[Want]:
    return [frame for frame in frames if isinstance(frame, Want)]


def given(want: Want, entries: list[SignedEntry]) -> Entries:
    held = {signed.id[:16]: signed for signed in entries}
    asked = [want.ids[at : at + 16] for at in range(0, len(want.ids), 16)]
    return pack_entries(want.number, asked, held)


def test_what_is_announced_is_asked_for_taken_and_its_credit_returned() -> None:
    line = Line(entries=SOME[:10])
    (want,) = wants(line.say(have(SOME)))
    assert want.ids == ids_of(SOME[10:])
    assert line.say(given(want, SOME)) == [Credit(40)]
    assert line.store.ids_held() == {signed.id[:16] for signed in SOME}
    assert line.session.report.entries_received == 30


def test_what_is_held_is_not_asked_for() -> None:
    line = Line(entries=SOME)
    assert line.say(have(SOME)) == [Credit(40)]


def test_what_is_announced_twice_is_asked_for_once() -> None:
    line = Line()
    assert len(wants(line.say(have(SOME), have(SOME)))) == 1


def test_no_more_than_four_answers_are_asked_for_at_once() -> None:
    many = entries_of(2, 3 * HAVE_IDS_MAX)
    line = proven()
    asked = wants(line.say(*haves(many)))
    assert len(asked) == WANTS_OUTSTANDING_MAX
    assert all(len(want.ids) == 16 * WANT_IDS_MAX for want in asked)
    (next_one,) = wants(line.say(given(asked[0], many)))
    assert next_one.ids == ids_of(many[4 * WANT_IDS_MAX : 5 * WANT_IDS_MAX])


def test_a_slow_store_slows_the_peer() -> None:
    """An answer that is not stored yet counts as asked for."""
    many = entries_of(3, 3 * HAVE_IDS_MAX)
    line = proven()
    line.is_answering = False
    line.sent.clear()
    for announced in haves(many):
        line.say(announced)
        assert isinstance(line.answer_next(), Holds)
        assert isinstance(line.answer_next(), KeptOut)
    asked = wants(line.sent)
    assert wants(line.say(given(asked[0], many))) == []
    assert isinstance(line.answer_next(), Receive)
    assert len(wants(line.sent)) == WANTS_OUTSTANDING_MAX + 1


def test_authority_records_are_asked_for_before_all_others() -> None:
    many, urgent = entries_of(4, 3 * HAVE_IDS_MAX), entries_of(5, 3, cls="_auth")
    line = proven()
    asked = wants(line.say(*haves(many), have(urgent, is_urgent=True)))
    (next_one,) = wants(line.say(given(asked[0], many)))
    assert next_one.ids == ids_of(urgent)


def test_the_rest_of_a_long_answer_is_asked_for_again() -> None:
    line = Line()
    (want,) = wants(line.say(have(SOME)))
    (again,) = wants(line.say(given(Want(want.number, COMMONS, ids_of(SOME[:15])), SOME)))
    assert again.ids == ids_of(SOME[15:])


def test_credit_returns_in_large_pieces_while_more_is_under_way() -> None:
    many = entries_of(6, 2_048)
    line = Line()
    line.say(have(many[:1_024]), have(many[1_024:]))
    said: list[Frame] = list(line.sent)
    for want in said:
        if isinstance(want, Want):
            said += line.say(given(want, many))
    credits_returned = [frame.ids for frame in said if isinstance(frame, Credit)]
    assert sum(credits_returned) == 2_048
    assert min(credits_returned[:-1], default=1_024) >= limits.HAVE_CREDIT_IDS // 4


def test_what_the_peer_has_not_got_after_all_is_not_asked_for_again() -> None:
    line = Line()
    (want,) = wants(line.say(have(SOME[:1])))
    line.say(Entries(want.number, (), (), want.ids))
    assert wants(line.say(have(SOME[:1]))) == []
    assert line.session.report.entries_missing == 1
    whole = encode_area(Area())
    line.say(Reconcile(0, COMMONS, whole, (Summary(None, 1, b"?" * 16),)))
    (want,) = wants(line.say(have(SOME[:1])))
    assert want.ids == ids_of(SOME[:1]), "once they compare again"


# --- faults --------------------------------------------------------------------------------------

ONE = SOME[0]
SENT = SentEntry(0, encode_entry(ONE.entry), ONE.signature, ONE.payload)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Entries(9, (), (), ids_of(SOME[:1])), "entries"),
        (Entries(1, (), (), b""), "entries"),
        (Entries(1, (), (SENT,), b""), "entries"),  # no such capability in the table
        (Entries(1, (ONE.capability,), (SENT, SENT), b""), "entries"),
        (Entries(1, (ONE.capability,), (SENT,), ids_of(SOME[:1])), "entries"),
        (Entries(1, (), (), ids_of(SOME[20:21])), "entries"),  # not asked for
        (Entries(1, (b"another",), (SENT,), b""), "entries"),  # thus another id
        (Entries(1, (), (), b"cut"), "ids"),
        (
            Entries(1, (b"",), (SentEntry(0, SENT.entry[:-1], SENT.signature, b""),), b""),
            "truncated",
        ),
        (Entries(1, (b"",), (SentEntry(0, b"", SENT.signature, b""),), b""), "truncated"),
    ],
)
def test_an_answer_that_does_not_fit_the_question(answer: Entries, code: str) -> None:
    line = Line()
    line.say(have(SOME[:5]))
    line.say(answer)
    assert line.fault == code


def test_more_than_the_credit_is_refused() -> None:
    """HAVE_CREDIT_IDS: whoever never answers may announce 4,096 ids, and not one more."""
    line = Line()
    for number in range(limits.HAVE_CREDIT_IDS // HAVE_IDS_MAX):
        line.say(have(entries_of(10 + number, HAVE_IDS_MAX)))
        assert line.fault == ""
    line.say(have(SOME[:1]))
    assert line.fault == "credit"


def test_what_the_store_refuses_is_told_and_not_asked_for_again() -> None:
    line = Line()
    line.store.refuses = {SOME[0].id[:16]}
    (want,) = wants(line.say(have(SOME[:2])))
    line.say(given(want, SOME))
    assert EntriesRefused({"bad-signature": 1}) in line.events
    assert wants(line.say(have(SOME[:2]))) == []
    assert line.session.report.refused == {"bad-signature": 1}


def test_a_peer_that_sends_what_every_honest_node_refuses_is_left() -> None:
    """REFUSALS_MAX of them are taken for misfortune."""
    bad = entries_of(7, limits.REFUSALS_MAX + 1)
    line = trusted()
    line.store.refuses = {signed.id[:16] for signed in bad}
    (want,) = wants(line.say(have(bad)))
    (rest,) = wants(line.say(given(Want(want.number, COMMONS, ids_of(bad[:-1])), bad)))
    assert line.fault == ""
    line.say(given(rest, bad))
    assert line.fault == "refused-entries"


# --- trial ---------------------------------------------------------------------------------------


def trusted() -> Line:
    """Bob gave something good."""
    line = Line()
    (want,) = wants(line.say(have(SOME[-1:])))
    line.say(given(want, SOME))
    return line


def proven() -> Line:
    """Bob gave so much that was good that he is asked for as much as there may be."""
    good = entries_of(45, limits.REVOKED_IDS_MAX)
    line = trusted()
    for announced in haves(good):
        give_all(line, wants(line.say(announced)), good)
    return line


def asked_for(said: list[Frame]) -> int:
    return sum(len(want.ids) // 16 for want in wants(said))


def test_a_stranger_is_asked_for_a_few_until_they_were_good() -> None:
    """TRIAL_IDS_MAX."""
    many = entries_of(30, 500)
    line = Line()
    (want,) = wants(line.say(have(many)))
    assert len(want.ids) == 16 * limits.TRIAL_IDS_MAX
    assert asked_for(line.say(given(want, many))) == limits.REVOKED_IDS_FIRST + limits.TRIAL_IDS_MAX


def test_a_peer_whose_entries_are_refused_is_asked_for_less_and_less() -> None:
    """TRIAL_IDS_MAX of them at once, TRIAL_IDS_PER_S from then on; then it is left."""
    bad = entries_of(31, 1_000)
    line = Line()
    line.store.refuses = {signed.id[:16] for signed in bad}
    (want,) = wants(line.say(have(bad)))
    assert wants(line.say(given(want, bad))) == []
    given_in_all, seconds = limits.TRIAL_IDS_MAX, 0
    while not line.fault:
        seconds += 1
        for want in wants(line.tick(1.0)):
            assert len(want.ids) // 16 <= limits.TRIAL_IDS_PER_S
            given_in_all += len(want.ids) // 16
            line.say(given(want, bad))
    assert line.fault == "refused-entries"
    assert given_in_all <= limits.REFUSALS_MAX + limits.TRIAL_IDS_PER_S
    assert seconds >= (limits.REFUSALS_MAX - limits.TRIAL_IDS_MAX) // limits.TRIAL_IDS_PER_S


def test_a_few_bad_ones_among_many_good_ones_hold_up_nobody() -> None:
    many = entries_of(32, 900)
    line = Line()
    line.store.refuses = {signed.id[:16] for signed in many[:10]}
    queue = wants(line.say(have(many)))
    while queue:
        queue += wants(line.say(given(queue.pop(), many)))
    assert len(line.store.ids_held()) == 890
    assert line.session.report.refused == {"bad-signature": 10}


def test_what_earlier_sessions_brought_counts() -> None:
    bad = entries_of(33, 10)
    line = Line(strikes=limits.REFUSALS_MAX - 5)
    line.store.refuses = {signed.id[:16] for signed in bad}
    (want,) = wants(line.say(have(bad)))
    line.say(given(want, bad))
    assert line.fault == "refused-entries"


def test_a_peer_with_strikes_is_on_trial_though_all_that_it_gives_is_good() -> None:
    many = entries_of(34, 900)
    line = Line(strikes=1)
    queue = wants(line.say(have(many)))
    while queue:
        assert len(queue[-1].ids) <= 16 * limits.TRIAL_IDS_MAX
        queue += wants(line.say(given(queue.pop(), many)))
    assert len(line.store.ids_held()) == 900


def test_our_own_reasons_to_refuse_are_nobodys_fault() -> None:
    many = entries_of(35, 400)
    line = Line()
    line.store.refuses = {signed.id[:16] for signed in many}
    line.store.refuses_with = "blocked"
    queue = wants(line.say(have(many)))
    while queue:
        queue += wants(line.say(given(queue.pop(), many)))
    assert line.session.report.refused == {"blocked": 400}
    assert line.fault == ""


# --- what a revoked key wrote --------------------------------------------------------------------


def revoked(line: Line, entries: list[SignedEntry], *, code: str = TOO_MANY_REVOKED) -> None:
    """The store has had enough of whoever wrote these."""
    line.store.refuses = {signed.id[:16] for signed in entries}
    line.store.refuses_with = code


def give_all(line: Line, asked: list[Want], entries: list[SignedEntry]) -> int:
    """Bob answers these Wants, and all that follow from that; how many entries that were."""
    queue, given_in_all = list(asked), 0
    while queue:
        want = queue.pop()
        given_in_all += len(want.ids) // 16
        queue += wants(line.say(given(want, entries)))
    return given_in_all


AT_ONCE = limits.REVOKED_IDS_FIRST + 1
"""Of what a revoked key wrote, of somebody who gave one good entry."""


def test_whoever_passes_on_what_a_revoked_key_wrote_is_slowed_and_never_left() -> None:
    """REVOKED_IDS_FIRST of them at once, REVOKED_IDS_PER_S from then on."""
    many = entries_of(36, limits.REVOKED_IDS_MAX + 2_000)
    line = trusted()
    revoked(line, many)
    came = sum(give_all(line, wants(line.say(announced)), many) for announced in haves(many))
    assert came == AT_ONCE
    later = [give_all(line, wants(line.tick(1.0)), many) for _ in range(64)]
    assert set(later) == {0, limits.REVOKED_IDS_LUMP}, "each answer costs a transaction"
    assert sum(later) == 64 * limits.REVOKED_IDS_PER_S
    assert line.fault == ""
    assert line.session.report.refused == {TOO_MANY_REVOKED: came + sum(later)}
    assert line.session.report.entries_kept_out == came + sum(later)


def test_the_last_few_of_it_wait_for_no_lump() -> None:
    many = entries_of(47, AT_ONCE + 20)
    line = trusted()
    revoked(line, many)
    came = give_all(line, wants(line.say(have(many))), many)
    came += sum(give_all(line, wants(line.tick(1.0)), many) for _ in range(3))
    assert came == len(many)


def test_nothing_of_it_ends_a_trial() -> None:
    many = entries_of(44, 500)
    line = Line()
    revoked(line, many)
    assert give_all(line, wants(line.say(have(many))), many) == limits.TRIAL_IDS_MAX
    assert give_all(line, wants(line.tick(1.0)), many) == limits.TRIAL_IDS_PER_S
    assert line.fault == ""


def test_whoever_gave_much_that_was_good_is_slowed_later() -> None:
    many = entries_of(46, limits.REVOKED_IDS_MAX + 2_000)
    line = proven()
    revoked(line, many)
    came = sum(give_all(line, wants(line.say(announced)), many) for announced in haves(many))
    assert came == limits.REVOKED_IDS_MAX


def test_what_was_good_or_missing_takes_nothing_from_that_bucket() -> None:
    many = entries_of(37, 3 * limits.REVOKED_IDS_MAX)
    bad = many[::8]
    line = trusted()
    revoked(line, bad)
    for announced in haves(many):
        miss(line, entries_of(38 + line.session.report.entries_missing, 100))
        give_all(line, wants(line.say(announced)), many)
    assert len(line.store.ids_held()) == 1 + len(many) - len(bad)
    assert line.session.report.refused == {TOO_MANY_REVOKED: len(bad)}


def test_an_empty_bucket_holds_up_no_authority_record() -> None:
    many = entries_of(39, limits.REVOKED_IDS_MAX + 500)
    line = trusted()
    revoked(line, many)
    for announced in haves(many):
        give_all(line, wants(line.say(announced)), many)
    urgent = entries_of(40, 2 * WANT_IDS_MAX, cls="_auth")
    asked = wants(line.say(have(urgent, is_urgent=True)))
    assert [len(want.ids) // 16 for want in asked] == [WANT_IDS_MAX, WANT_IDS_MAX]
    # The answer is a part only: the rest of it is as urgent.
    part = Want(asked[0].number, COMMONS, asked[0].ids[:160])
    assert asked_for(line.say(given(part, urgent))) == WANT_IDS_MAX - 10


def test_whoever_calls_what_a_revoked_key_wrote_urgent_is_heeded_no_more() -> None:
    many = entries_of(41, limits.REVOKED_IDS_MAX + 1_500)
    line = trusted()
    revoked(line, many)
    came = 0
    for first in range(0, len(many), HAVE_IDS_MAX):
        said = line.say(have(many[first : first + HAVE_IDS_MAX], is_urgent=True))
        came += give_all(line, wants(said), many)
    assert (came, line.fault) == (HAVE_IDS_MAX, ""), "those of the first Have"
    assert sum(give_all(line, wants(line.tick(1.0)), many) for _ in range(8)) <= 128


@pytest.mark.parametrize("cls", ["pub", "_auth"])
def test_whoever_calls_urgent_what_is_no_authority_record_is_heeded_no_more(cls: str) -> None:
    many = entries_of(43, limits.REVOKED_IDS_MAX + 500)
    line = trusted()
    revoked(line, many)
    for announced in haves(many):
        give_all(line, wants(line.say(announced)), many)
    urgent = entries_of(44, 8, cls=cls)
    (want,) = wants(line.say(have(urgent[:4], is_urgent=True)))
    line.say(given(want, urgent))
    asked = asked_for(line.say(have(urgent[4:], is_urgent=True)))
    assert asked == (4 if cls == "_auth" else 0)


def test_a_peer_that_is_revoked_itself_strikes_with_each() -> None:
    bad = entries_of(42, limits.REFUSALS_MAX + 1)
    line = trusted()
    revoked(line, bad, code="revoked-sender")
    give_all(line, wants(line.say(have(bad))), bad)
    while not line.fault:
        give_all(line, wants(line.tick(1.0)), bad)
    assert line.fault == "refused-entries"


def miss(line: Line, entries: list[SignedEntry]) -> None:
    """Bob announces these, and has not got them after all."""
    queue = wants(line.say(have(entries)))
    while queue:
        want = queue.pop()
        queue += wants(line.say(Entries(want.number, (), (), want.ids)))


def test_ids_refused_are_forgotten_at_last() -> None:
    """REFUSED_REMEMBERED_MAX: the oldest is asked for once more, not the newest."""
    line = Line()
    line.store.refuses = {SOME[0].id[:16]}
    (want,) = wants(line.say(have(SOME[:1])))
    line.say(given(want, SOME))
    missing = entries_of(20, limits.REFUSED_REMEMBERED_MAX)
    for first in range(0, len(missing), 1_000):
        miss(line, missing[first : first + 1_000])
    assert wants(line.say(have(missing[-1:]))) == []
    assert len(wants(line.say(have(SOME[:1])))) == 1


def test_a_peer_that_announces_what_it_does_not_give_is_left() -> None:
    """MISSING_MAX."""
    line = Line()
    for number in range(limits.MISSING_MAX // 1_000):
        miss(line, entries_of(20 + number, 1_000))
        assert line.fault == ""
    miss(line, SOME[:1])
    assert line.fault == "missing"


def test_entries_outside_of_what_both_want_do_not_reach_the_store() -> None:
    config = ALICE.config(interests=((COMMONS, Area(ALICE.author)),))
    line = Line(config=config)
    (want,) = wants(line.say(have(SOME[:3])))
    line.say(given(want, SOME))
    assert not line.store.ids_held()
    assert EntriesRefused({"outside-interest": 3}) in line.events


def test_what_was_asked_for_before_our_wishes_changed_is_no_fault_of_the_peer() -> None:
    line = Line()
    (want,) = wants(line.say(have(SOME[:3])))
    narrower = ALICE.config(interests=((COMMONS, Area(ALICE.author)),))
    line.do(line.session.reconfigure(narrower, now_s=line.now_s))
    line.say(given(want, SOME))
    assert not [one for one in line.events if isinstance(one, EntriesRefused)]
    assert not line.store.ids_held()


def test_an_announcement_of_a_namespace_that_is_not_common_is_only_settled() -> None:
    line = Line()
    assert line.say(Have(b"x" * 32, ids_of(SOME[:3]), False)) == [Credit(3)]
