"""Asking for entries: at most 4 Wants of 512 ids are open, so no peer can push more than that.

    Have, or a list of ranges ──Holds?──> queue ──Want──> Entries ──Receive──> settled, Credit

A slot is taken from the Want until the store has appended what came, so a slow disk slows the peer.
Authority records are asked for first, everything else in the order it was named, which is the order
of keys: a device's changes of a document come in the order they were made.

A peer is on trial until it gave something good, and again once something was refused: what is asked
for is taken from a token bucket, and what turns out good is given back to it. So the entries of a
peer that gives only bad ones come by the handful, then by the second, and then not at all.

Of what a revoked key wrote the store keeps only so much, and whoever passes more of it on may be as
honest as any: it is no strike, but nothing good either, and has a bucket of its own. While that is
empty nothing but authority records is asked for.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crdt.change import SignedEntry
from crdt.entry import decode_entry
from crdt.errors import CrdtError
from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES
from p2p.protocol import limits
from p2p.protocol.effects import EntriesRefused, Holds, KeptOut, Receive
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Credit, Entries, Have, SentEntry, Want, split_ids
from p2p.protocol.grants import Grants, ever
from p2p.protocol.limits import TokenBucket
from p2p.protocol.outbox import Outbox, Steps
from p2p.protocol.ports import Received
from p2p.protocol.report import SessionReport

CREDIT_RETURNED_IDS = limits.HAVE_CREDIT_IDS // 4  # less is returned only when nothing is under way
BACKLOG_IDS_MAX = 2 * limits.HAVE_CREDIT_IDS
# More by a revoked key than is kept, passed on by somebody else, who may hold it from before.
TOO_MANY_REVOKED = "too-many-revoked"
# Our own limits, and our own person's wishes: not the peer's fault.
LOCAL_CODES = ("over-quota", "blocked", TOO_MANY_REVOKED)
# What the store remembers itself, and for how long: not the session.
REMEMBERED = (*LOCAL_CODES, "revoked-sender")


@dataclass(slots=True)
class _Asked:
    """A Want that is open, and since when."""

    namespace: NamespaceKey
    ids: list[bytes]
    at_s: float
    is_on_trial: bool  # tokens were taken for it
    is_urgent: bool  # if not, tokens of the other bucket were


@dataclass(frozen=True, slots=True)
class _Needed:
    namespace: NamespaceKey
    is_credited: bool  # announced by a Have, whose credit is due


class Pull:
    """What this side still wants of one peer."""

    def __init__(self, outbox: Outbox, report: SessionReport, *, strikes: int = 0) -> None:
        """`strikes` are remembered from earlier sessions of this peer."""
        self._outbox = outbox
        self._report = report
        self.areas = Grants(())  # what both want: nothing else is taken
        self._once_common = Grants(())
        self._needed: dict[bytes, _Needed] = {}  # queued or asked for
        self._urgent: deque[bytes] = deque()
        self._later: deque[bytes] = deque()
        self._asked: dict[int, _Asked] = {}
        self._receiving = 0
        self._looking_up = 0
        self._number = 0
        self._granted = limits.HAVE_CREDIT_IDS
        self._owed = 0
        self._settled: OrderedDict[bytes, bool] = OrderedDict()  # refused, or missing at the peer
        self._strikes = strikes
        self._has_given = False  # something, and all of that answer was good
        self._trial = TokenBucket.full(
            limits.TRIAL_IDS_PER_S, limits.TRIAL_IDS_MAX, now_s=outbox.now_s
        )
        self._revoked = TokenBucket(
            limits.REVOKED_IDS_PER_S,
            limits.REVOKED_IDS_MAX,
            limits.REVOKED_IDS_FIRST,
            outbox.now_s,
        )
        self._is_heeded = True  # where it says that something is urgent

    def agree(self, areas: Grants) -> None:
        """What both want from now on. What was missing before may be given by now."""
        if areas != self.areas:
            self._settled.clear()
        self.areas = areas
        self._once_common = ever(self._once_common, areas)

    def compare_again(self) -> None:
        """What the peer had not got after all it may have by now; what was refused stays so."""
        refused = (id for id, is_missing in self._settled.items() if not is_missing)
        self._settled = OrderedDict.fromkeys(refused, False)

    @property
    def is_idle(self) -> bool:
        return not (self._needed or self._asked or self._receiving or self._looking_up)

    @property
    def is_working(self) -> bool:
        """The store is at work for this peer: no fault of the peer's if it hears nothing."""
        return self._receiving > 0 or self._looking_up > 0

    @property
    def is_on_trial(self) -> bool:
        """Whether what is asked for is counted against a bucket."""
        return self._strikes > 0 or not self._has_given

    @property
    def is_backlogged(self) -> bool:
        """So much is wanted that no further ranges are answered."""
        return len(self._needed) > BACKLOG_IDS_MAX

    @property
    def oldest_s(self) -> float | None:
        """When the oldest open Want was sent."""
        return min((asked.at_s for asked in self._asked.values()), default=None)

    def announced(self, have: Have) -> Sequence[bytes]:
        """The peer holds these. Raises `RemoteProtocolError` beyond the credit it was given."""
        ids = split_ids(have.ids)
        self._granted -= len(ids)
        if self._granted < 0:
            raise RemoteProtocolError("credit", "the peer announced more than it had credit for")
        namespace = NamespaceKey(have.namespace)
        self._looking_up += 1
        self._outbox.run(self._look_up(namespace, ids, is_urgent=have.is_urgent))
        return ids

    def need(self, namespace: NamespaceKey, ids: Iterable[bytes], *, is_urgent: bool) -> None:
        """Ids that a reconciliation found, and the store does not hold."""
        self._queue(namespace, ids, is_urgent=is_urgent, is_credited=False)
        self._pump()

    def advance(self) -> None:
        """Asks for what time allows by now."""
        if self._urgent or self._later:
            self._pump()

    def take(self, frame: Entries) -> None:
        """The answer to a Want. Raises `RemoteProtocolError` where it is not one."""
        asked = self._asked.pop(frame.number, None)
        if asked is None:
            raise RemoteProtocolError("entries", "entries came that nobody asked for")
        missing = split_ids(frame.missing)
        signed = [self._read(sent, frame.capabilities) for sent in frame.entries]
        came = [one.id[:ITEM_ID_BYTES] for one in signed]
        named = {*came, *missing}
        if not named or len(named) != len(came) + len(missing) or not named <= set(asked.ids):
            raise RemoteProtocolError("entries", "an answer does not fit what was asked for")
        rest = [id for id in asked.ids if id not in named]
        (self._urgent if asked.is_urgent else self._later).extendleft(reversed(rest))
        self._give_back(asked, trial=len(rest) + len(missing), revoked=len(rest) + len(missing))
        self._report.entries_missing += len(missing)
        if self._report.entries_missing > limits.MISSING_MAX:
            raise RemoteProtocolError("missing", "the peer announces entries it does not give")
        self._settle(missing, is_done=False)
        self._receiving += 1
        self._outbox.run(self._receive(asked, signed, came))

    def _look_up(
        self, namespace: NamespaceKey, ids: Sequence[bytes], *, is_urgent: bool
    ) -> Steps[None]:
        wanted: list[bytes] = []
        if self.areas.include_any(namespace):
            held: frozenset[bytes] = frozenset((yield Holds(namespace, tuple(ids))))
            wanted = [id for id in ids if id not in held]
        if wanted:
            kept_out: frozenset[bytes] = frozenset((yield KeptOut(namespace, tuple(wanted))))
            wanted = [id for id in wanted if id not in kept_out]
            self._report.entries_kept_out += len(kept_out)
        self._looking_up -= 1
        if not self.areas.include_any(namespace):
            wanted = []  # our interests changed while this was under way
        queued = self._queue(namespace, wanted, is_urgent=is_urgent, is_credited=True)
        self._owed += len(ids) - queued
        self._pump()

    def _queue(
        self, namespace: NamespaceKey, ids: Iterable[bytes], *, is_urgent: bool, is_credited: bool
    ) -> int:
        new = [
            id for id in dict.fromkeys(ids) if id not in self._needed and id not in self._settled
        ]
        for id in new:
            self._needed[id] = _Needed(namespace, is_credited)
        (self._urgent if is_urgent else self._later).extend(new)
        return len(new)

    def _pump(self) -> None:
        while len(self._asked) + self._receiving < limits.WANTS_OUTSTANDING_MAX:
            queue = self._urgent or self._later
            is_urgent = queue is self._urgent and self._is_heeded
            room = self._room(is_urgent=is_urgent)
            if not queue or not room:
                break
            namespace = self._needed[queue[0]].namespace
            ids: list[bytes] = []
            while queue and len(ids) < room:
                if self._needed[queue[0]].namespace != namespace:
                    break
                ids.append(queue.popleft())
            now_s, is_on_trial = self._outbox.now_s, self.is_on_trial
            if is_on_trial:
                self._trial.spend(now_s=now_s, tokens=len(ids))
            if not is_urgent:
                self._revoked.spend(now_s=now_s, tokens=len(ids))
            self._number += 1
            self._asked[self._number] = _Asked(namespace, ids, now_s, is_on_trial, is_urgent)
            self._outbox.send(Want(self._number, namespace, b"".join(ids)))
        if self._owed >= CREDIT_RETURNED_IDS or (self._owed and self.is_idle):
            self._granted += self._owed
            self._outbox.send(Credit(self._owed))
            self._owed = 0

    def _room(self, *, is_urgent: bool) -> int:
        """How many ids the next Want may name."""
        now_s, room = self._outbox.now_s, limits.WANT_IDS_MAX
        if self.is_on_trial:
            room = min(room, int(self._trial.left(now_s=now_s)))
        if is_urgent:
            return room
        left = int(self._revoked.left(now_s=now_s))
        return min(room, left) if left >= min(limits.REVOKED_IDS_LUMP, len(self._later)) else 0

    def _give_back(self, asked: _Asked, *, trial: int, revoked: int) -> None:
        """So many of what was asked for cost nothing, by what either bucket is there for."""
        if asked.is_on_trial:
            self._trial.give_back(trial)
        if not asked.is_urgent:
            self._revoked.give_back(revoked)

    def _receive(
        self, asked: _Asked, signed: Sequence[SignedEntry], came: Sequence[bytes]
    ) -> Steps[None]:
        namespace = asked.namespace
        inside = [
            one
            for one in signed
            if one.entry.namespace == namespace and self.areas.include_entry(namespace, one.entry)
        ]
        # What was in common when it was asked for is not taken, and no fault of the peer's.
        outside = [
            one
            for one in signed
            if one.entry.namespace != namespace
            or not self._once_common.include_entry(namespace, one.entry)
        ]
        refused = Counter({"outside-interest": len(outside)})
        added: set[bytes] = set()
        if inside:
            received: Received = yield Receive(tuple(inside))
            added = {id[:ITEM_ID_BYTES] for id in received.added}
            refused.update(refusal.code for refusal in received.refused)
            self._report.entries_received += len(added)
            self._report.entries_known += received.known
        self._receiving -= 1
        is_done = all(code in REMEMBERED for code in +refused)
        self._settle(came, is_done=is_done, added=added)
        bad = sum(count for code, count in refused.items() if code not in LOCAL_CODES)
        too_many = refused[TOO_MANY_REVOKED]
        good = len(came) - bad - too_many
        # Twice what was good, so that who gives such is soon asked for as much as there may be.
        self._give_back(asked, trial=good, revoked=len(came) - too_many + good)
        if not asked.is_on_trial:
            self._trial.spend(now_s=self._outbox.now_s, tokens=bad)
        if asked.is_urgent and too_many:  # by an admin who is one no more, or a lie: they wait, too
            self._is_heeded = False
            self._revoked.spend(now_s=self._outbox.now_s, tokens=too_many)
        self._has_given = self._has_given or (good > 0 and not bad)
        self._strikes += bad
        self._judge(+refused)
        self._pump()

    def _judge(self, refused: "Counter[str]") -> None:
        if not refused:
            return
        for code, count in refused.items():
            self._report.refused[code] = self._report.refused.get(code, 0) + count
            if code in LOCAL_CODES:
                self._report.entries_kept_out += count
        self._outbox.notify(EntriesRefused(dict(refused)))
        if self._strikes > limits.REFUSALS_MAX and not refused.keys() <= set(LOCAL_CODES):
            raise RemoteProtocolError(
                "refused-entries", f"{self._strikes} entries failed the checks of every honest node"
            )

    def _settle(
        self, ids: Iterable[bytes], *, is_done: bool, added: "set[bytes] | None" = None
    ) -> None:
        """Nothing more to do for `ids`. Those not added are not asked for again in this session;
        those that the peer has not got (`added` None), until the next comparison.
        """
        for id in ids:
            needed = self._needed.pop(id, None)
            if needed is not None and needed.is_credited:
                self._owed += 1
            if not is_done and (added is None or id not in added):
                self._settled[id] = added is None
        while len(self._settled) > limits.REFUSED_REMEMBERED_MAX:
            self._settled.popitem(last=False)

    @staticmethod
    def _read(sent: SentEntry, capabilities: Sequence[bytes]) -> SignedEntry:
        if sent.capability >= len(capabilities):
            raise RemoteProtocolError("entries", "an entry names a capability that was not sent")
        try:
            entry = decode_entry(sent.entry)
        except CrdtError as error:
            raise RemoteProtocolError(error.code, f"an entry is wrong: {error.detail}") from error
        return SignedEntry(entry, capabilities[sent.capability], sent.signature, sent.payload)
