"""Asking for entries: at most 4 Wants of 512 ids are open, so no peer can push more than that.

    Have, or a list of ranges ──Holds?──> queue ──Want──> Entries ──Receive──> settled, Credit

What another peer of this node was asked for already is not asked for here, unless it does not come
(`p2p.protocol.live`).

A slot is taken from the Want until the store has appended what came, so a slow disk slows the peer.
Authority records are asked for first, everything else in the order it was named, which is the order
of keys: a device's changes of a document come in the order they were made.

How much may be asked for at a time says `p2p.protocol.trial`.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from crdt.change import SignedEntry
from crdt.entry import decode_entry
from crdt.errors import CrdtError
from crdt.keys import COMMONS, NamespaceKey
from crdt.order import ITEM_ID_BYTES
from p2p.protocol import limits
from p2p.protocol.effects import EntriesRefused, Holds, KeptOut, Receive
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Credit, Entries, Have, SentEntry, split_ids
from p2p.protocol.grants import AUTHORITY_PATH, Grants, ever
from p2p.protocol.live import Asker, Key, Underway
from p2p.protocol.outbox import Outbox, Steps
from p2p.protocol.ports import Received
from p2p.protocol.report import SessionReport
from p2p.protocol.trial import Trial
from p2p.protocol.wants import Asked

CREDIT_RETURNED_IDS = limits.HAVE_CREDIT_IDS // 4  # less is returned only when nothing is under way
BACKLOG_IDS_MAX = 2 * limits.HAVE_CREDIT_IDS
# More by a revoked key than is kept, passed on by somebody else, who may hold it from before.
TOO_MANY_REVOKED = "too-many-revoked"
# Our own limits, and our own person's wishes: not the peer's fault.
LOCAL_CODES = ("over-quota", "blocked", TOO_MANY_REVOKED)
# What the store remembers itself, and for how long: not the session.
REMEMBERED = (*LOCAL_CODES, "revoked-sender")


class _Place(Enum):
    QUEUED = "queued"
    ASKED = "asked"
    ELSEWHERE = "elsewhere"  # another peer was asked


@dataclass(slots=True)
class _Needed:
    namespace: NamespaceKey
    is_credited: bool  # announced by a Have, whose credit is due
    is_urgent: bool
    place: _Place = _Place.QUEUED


class Pull:
    """What this side still wants of one peer."""

    def __init__(
        self,
        outbox: Outbox,
        report: SessionReport,
        *,
        underway: Underway | None = None,
        wake: Callable[[], None] = lambda: None,
        strikes: int = 0,
    ) -> None:
        """`strikes` are remembered from earlier sessions of this peer; `wake` as in `Asker`."""
        self._underway = Underway() if underway is None else underway  # an empty one is false
        self.asker: Asker = self._underway.join(wake)
        self._outbox = outbox
        self._report = report
        self.areas = Grants(())  # what both want: nothing else is taken
        self._once_common = Grants(())
        self._needed: dict[bytes, _Needed] = {}
        self._urgent: deque[bytes] = deque()  # queued, and some that are no more
        self._later: deque[bytes] = deque()
        self._asked = self.asker.asked
        self._left: OrderedDict[bytes, float] = OrderedDict()  # to others, and since when
        self._receiving = 0
        self._looking_up = 0
        self._granted = limits.HAVE_CREDIT_IDS
        self._owed = 0
        self._settled: OrderedDict[bytes, bool] = OrderedDict()  # refused, or missing at the peer
        self._trial = Trial(strikes=strikes, now_s=outbox.now_s)

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
    def lacking(self) -> int:
        """How many entries the peer is known to have that are not here."""
        return len(self._needed)

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
        return self._trial.is_on

    @property
    def is_backlogged(self) -> bool:
        """So much is wanted that no further ranges are answered."""
        return len(self._needed) > BACKLOG_IDS_MAX

    @property
    def oldest_s(self) -> float | None:
        """When the oldest open Want was sent."""
        return self._asked.oldest_s

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

    def need(
        self, namespace: NamespaceKey, ids: Iterable[bytes], *, is_urgent: bool, since_s: float
    ) -> None:
        """Ids that a reconciliation found, and that the store did not hold when it was asked."""
        lacking = self._still_lacking(namespace, ids, since_s)
        self._queue(namespace, lacking, is_urgent=is_urgent, is_credited=False)
        self._pump()

    def stored(self, namespace: NamespaceKey, ids: Iterable[bytes]) -> None:
        """These came from another peer, or were written here: they are not needed any more."""
        short = [id[:ITEM_ID_BYTES] for id in ids]
        self._underway.stored([(namespace, id) for id in short], now_s=self._outbox.now_s)
        for id in short:
            needed = self._needed.get(id)
            if needed is not None and needed.place is not _Place.ASKED:
                self._forget(id)
        self._return_credit()

    def look(self) -> None:
        """Time passed: what another peer does not give may be asked for here.

        Raises `PeerTimeout` where this one owes an answer for too long.
        """
        now_s = self._outbox.now_s
        self._asked.check(now_s=now_s)
        self._underway.look_at(self.asker, now_s=now_s)
        self._underway.look(now_s=now_s)
        while self._left and now_s - next(iter(self._left.values())) >= limits.ENTRIES_LEFT_S:
            id, _ = self._left.popitem(last=False)
            if not self._underway.contest((self._needed[id].namespace, id)):
                self._left[id] = now_s  # it is free, or the store is at it

    def leave(self) -> None:
        """The session is over: what this peer was asked for may be asked of others."""
        self._underway.leave(self.asker)

    def advance(self) -> None:
        """Asks for what time, and what became of others' questions, allow by now."""
        for (_, id), is_stored in reversed(self.asker.take()):
            needed = self._needed.get(id)
            if needed is None or needed.place is not _Place.ELSEWHERE:
                continue
            if is_stored:
                self._forget(id)
            else:
                needed.place = _Place.QUEUED
                self._line(is_urgent=needed.is_urgent).appendleft(id)
        if self._urgent or self._later:
            self._pump()
        self._return_credit()

    def take(self, frame: Entries) -> Sequence[bytes]:
        """The ids in an answer to a Want. Raises `RemoteProtocolError` where it is none."""
        signed = [self._read(sent, frame.capabilities) for sent in frame.entries]
        came = [one.id[:ITEM_ID_BYTES] for one in signed]
        now_s = self._outbox.now_s
        answered = self._asked.answer(frame, came, now_s=now_s)
        asked, missing = answered.asked, answered.missing
        self._line_up(asked, answered.rest)
        self._underway.end(self.asker, _keys(asked.namespace, answered.rest))
        self._underway.end(self.asker, _keys(asked.namespace, missing), is_vain=True)
        self._underway.given(self.asker, _keys(asked.namespace, came), now_s=now_s)
        unspent, was_on, was_urgent = len(asked.ids) - len(came), asked.is_on_trial, asked.is_urgent
        self._trial.give_back(trial=unspent, revoked=unspent, was_on=was_on, was_urgent=was_urgent)
        self._report.entries_missing += len(missing)
        if self._report.entries_missing > limits.MISSING_MAX:
            raise RemoteProtocolError("missing", "the peer announces entries it does not give")
        self._settle(missing, is_done=False)
        self._receiving += 1
        self._outbox.run(self._receive(asked, signed, came))
        return came

    def _line_up(self, asked: Asked, rest: Sequence[bytes]) -> None:
        """What was asked for and is still to come is first in line, unless another gave it."""
        lacking = self._still_lacking(asked.namespace, rest, asked.at_s)
        for id in rest:
            self._needed[id].place = _Place.QUEUED
        for id in set(rest).difference(lacking):
            self._forget(id)
        self._line(is_urgent=asked.is_urgent).extendleft(reversed(lacking))

    def _look_up(
        self, namespace: NamespaceKey, ids: Sequence[bytes], *, is_urgent: bool
    ) -> Steps[None]:
        wanted: list[bytes] = []
        since_s = self._outbox.now_s
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
        wanted = self._still_lacking(namespace, wanted, since_s)
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
            self._needed[id] = _Needed(namespace, is_credited, is_urgent)
        self._line(is_urgent=is_urgent).extend(new)
        return len(new)

    def _still_lacking(
        self, namespace: NamespaceKey, ids: Iterable[bytes], since_s: float
    ) -> list[bytes]:
        """Without those that came while the store was asked for them."""
        return [id for id in ids if not self._underway.came_since((namespace, id), since_s)]

    def _line(self, *, is_urgent: bool) -> deque[bytes]:
        return self._urgent if is_urgent else self._later

    def _pump(self) -> None:
        while len(self._asked) + self._receiving < limits.WANTS_OUTSTANDING_MAX:
            queue = self._urgent or self._later
            now_s, is_urgent = self._outbox.now_s, queue is self._urgent and self._trial.is_heeded
            room = self._trial.room(is_urgent=is_urgent, waiting=len(self._later), now_s=now_s)
            room = min(room, self._underway.room(self.asker, is_urgent=is_urgent))
            if not queue or not room:
                break
            namespace, ids = self._choose(queue, room)
            if not ids:
                continue  # all of these were asked of others
            is_on_trial = self._trial.spend(len(ids), is_urgent=is_urgent, now_s=now_s)
            asked = Asked(namespace, ids, now_s, is_on_trial, is_urgent)
            self._outbox.send(self._asked.open(asked))
        self._return_credit()

    def _choose(self, queue: deque[bytes], room: int) -> tuple[NamespaceKey, list[bytes]]:
        """The first of `queue` that no other peer was asked for, of one namespace."""
        namespace, ids = COMMONS, list[bytes]()
        while queue and len(ids) < room:
            needed = self._needed.get(queue[0])
            if needed is None or needed.place is not _Place.QUEUED:  # it came meanwhile
                queue.popleft()
                continue
            if ids and needed.namespace != namespace:
                break
            namespace, id = needed.namespace, queue.popleft()
            is_ours = self._underway.ask(self.asker, (namespace, id), now_s=self._outbox.now_s)
            needed.place = _Place.ASKED if is_ours else _Place.ELSEWHERE
            if is_ours:
                ids.append(id)
                self._left.pop(id, None)
            else:
                self._left.setdefault(id, self._outbox.now_s)
        return namespace, ids

    def _return_credit(self) -> None:
        if self._owed >= CREDIT_RETURNED_IDS or (self._owed and self.is_idle):
            self._granted += self._owed
            self._outbox.send(Credit(self._owed))
            self._owed = 0

    def _receive(
        self, asked: Asked, signed: Sequence[SignedEntry], came: Sequence[bytes]
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
        if asked.is_urgent and any(one.entry.path[:1] != AUTHORITY_PATH for one in signed):
            self._trial.is_heeded = False  # it calls urgent what is not
        is_done = all(code in REMEMBERED for code in +refused)
        added_keys = _keys(namespace, added)
        self._underway.stored(added_keys, now_s=self._outbox.now_s)
        self._underway.end(self.asker, _keys(namespace, came))
        self._settle(came, is_done=is_done, added=added)
        bad = sum(count for code, count in refused.items() if code not in LOCAL_CODES)
        too_many = refused[TOO_MANY_REVOKED]
        good = len(came) - bad - too_many
        self._trial.judge(
            good=good,
            bad=bad,
            too_many=too_many,
            was_on=asked.is_on_trial,
            was_urgent=asked.is_urgent,
            now_s=self._outbox.now_s,
        )
        self._underway.judged(self.asker, is_good=good > 0 and not bad)
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
        if self._trial.strikes > limits.REFUSALS_MAX and not refused.keys() <= set(LOCAL_CODES):
            raise RemoteProtocolError(
                "refused-entries",
                f"{self._trial.strikes} entries failed the checks of every honest node",
            )

    def _settle(
        self, ids: Iterable[bytes], *, is_done: bool, added: "set[bytes] | None" = None
    ) -> None:
        """Nothing more to do for `ids`. Those not added are not asked for again in this session;
        those that the peer has not got (`added` None), until the next comparison.
        """
        for id in ids:
            self._forget(id)
            if not is_done and (added is None or id not in added):
                self._settled[id] = added is None
        while len(self._settled) > limits.REFUSED_REMEMBERED_MAX:
            self._settled.popitem(last=False)

    def _forget(self, id: bytes) -> None:
        needed = self._needed.pop(id, None)
        self._left.pop(id, None)
        self._owed += needed is not None and needed.is_credited

    @staticmethod
    def _read(sent: SentEntry, capabilities: Sequence[bytes]) -> SignedEntry:
        if sent.capability >= len(capabilities):
            raise RemoteProtocolError("entries", "an entry names a capability that was not sent")
        try:
            entry = decode_entry(sent.entry)
        except CrdtError as error:
            raise RemoteProtocolError(error.code, f"an entry is wrong: {error.detail}") from error
        return SignedEntry(entry, capabilities[sent.capability], sent.signature, sent.payload)


def _keys(namespace: NamespaceKey, ids: Iterable[bytes]) -> list[Key]:
    return [(namespace, id) for id in ids]
