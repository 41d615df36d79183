"""Running the reconciliations of one session: which areas, in what order, whose turn, and the end.

    opener                            other side
      Reconcile ───────────────────────>          one frame of ranges is in flight at a time
      <──────────────────────── Ranges            each answer holds only what is still unequal
      Ranges ──────────────────────────>
      <──────────────────────── Listed            no ranges left, and all Haves sent
      Listed ──────────────────────────>
      Compare <────────────────> Compare          once everything asked for has come

The number of a reconciliation is even where the initiator of the connection opened it, else odd.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crdt.keys import NamespaceKey
from crdt.order import EMPTY_SUMMARY, RangeSummary
from p2p.protocol import limits
from p2p.protocol.difference import Difference
from p2p.protocol.effects import AreaReconciled, Summarise
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Compare, Listed, RangeItem, Ranges, Reconcile
from p2p.protocol.grants import (
    AUTHORITY_PATH,
    Claim,
    Grants,
    authority_part,
    decode_area,
    encode_area,
    ever,
)
from p2p.protocol.offer import Offers
from p2p.protocol.outbox import Outbox, Steps
from p2p.protocol.pull import Pull
from p2p.protocol.reconcile import Answer, Reconciliation
from p2p.protocol.report import SessionReport


@dataclass(slots=True)
class _Open:
    """One reconciliation that is under way."""

    number: int
    core: Reconciliation
    is_urgent: bool
    is_our_turn: bool
    waiting: tuple[RangeItem, ...] | None = None  # not answered yet: too much is under way
    rounds: int = 0  # frames of ranges that came
    turned_s: float = 0.0  # when we last said something that the peer answers
    is_listing: bool = False  # our Listed is on its way
    is_listed: bool = False  # the peer's Listed has come
    is_comparing: bool = False
    is_shown: bool = True  # the peer might read it when it was opened
    ours: RangeSummary | None = None
    theirs: RangeSummary | None = None

    @property
    def is_owed(self) -> bool:
        """The peer's next ranges, its Listed, or after all that its Compare."""
        return self.ours is not None if self.is_listed else not self.is_our_turn


class Areas:
    """The reconciliations with one peer, our own and the peer's."""

    def __init__(
        self,
        outbox: Outbox,
        pull: Pull,
        offers: Offers,
        report: SessionReport,
        *,
        first_number: int,
        answer_bytes: int = limits.RANGES_BYTES,
    ) -> None:
        self._outbox = outbox
        self._pull = pull
        self._offers = offers
        self._report = report
        self._next = first_number
        self._answer_bytes = answer_bytes
        self._planned: deque[Claim] = deque()
        self._open: dict[int, _Open] = {}
        self.readable = Grants(())  # what the peer may read
        self.common: tuple[Claim, ...] = ()
        self._once_readable = Grants(())
        self._unequal: set[Claim] = set()  # when they were compared last
        self._compared_s: float | None = None

    def agree(self, readable: Grants, common: tuple[Claim, ...]) -> None:
        """What the peer may read, and what both want of it, from now on."""
        if common != self.common:
            self._unequal.clear()
        self.readable, self.common = readable, common
        self._once_readable = ever(self._once_readable, readable)

    @property
    def is_idle(self) -> bool:
        return not (self._open or self._planned)

    @property
    def oldest_s(self) -> float | None:
        """Since when the peer owes the oldest answer."""
        return min((one.turned_s for one in self._open.values() if one.is_owed), default=None)

    def difference(self, *, is_due: bool) -> Difference:
        """As far as it is known; `is_due` where a comparison is about to begin."""
        return Difference(
            behind=self._pull.lacking,
            ahead=self._offers.untaken,
            is_comparing=is_due or not self.is_idle,
            is_equal=not self._unequal,
            compared_s=self._compared_s,
        )

    def plan(self, claims: Iterable[Claim]) -> None:
        """Reconciles these areas, the authority records of each first."""
        for namespace, area in claims:
            authority = authority_part(area)
            if authority is not None and authority != area:
                self._planned.append((namespace, authority))
            self._planned.append((namespace, area))
        self._open_next()

    def opened(self, frame: Reconcile) -> None:
        """The peer opens one. Raises `RemoteProtocolError`."""
        theirs = sum(number % 2 != self._next % 2 for number in self._open)
        if frame.number % 2 == self._next % 2 or frame.number in self._open:
            raise RemoteProtocolError("reconcile-number", "a reconciliation took a wrong number")
        if theirs >= limits.RECONCILIATIONS_MAX:
            raise RemoteProtocolError("reconcile-count", "the peer opened too many reconciliations")
        core = self._core((NamespaceKey(frame.namespace), decode_area(frame.area)))
        one = _Open(frame.number, core, _is_authority(core.area.path), is_our_turn=True)
        # A right that has just ended: the peer could not know, and hears that nothing is here.
        if not self._once_readable.include(core.namespace, core.area):
            raise RemoteProtocolError("reconcile-area", "the peer may not read what it compares")
        one.is_shown = self.readable.include(core.namespace, core.area)
        self._open[one.number] = one
        self._report.rounds += 1
        if Grants(self.common).include(core.namespace, core.area):
            self._take(one, frame.items)
        else:  # it is not ours to hold: both sides compare and are done
            self._end(one)

    def ranges(self, frame: Ranges) -> None:
        """The peer's next ranges. Raises `RemoteProtocolError` out of turn."""
        one = self._find(frame.number)
        if one.is_our_turn or one.is_listing or one.is_listed:
            raise RemoteProtocolError("ranges-turn", "ranges came before the last were answered")
        one.is_our_turn = True
        self._report.rounds += 1
        self._take(one, frame.items)

    def listed(self, frame: Listed) -> None:
        """The peer has no more ranges, and announced all we lack."""
        one = self._find(frame.number)
        if one.is_listed or one.is_our_turn:
            raise RemoteProtocolError("listed", "a reconciliation was listed out of turn")
        one.is_listed = True
        self._end(one)

    def compared(self, frame: Compare) -> None:
        """The peer's final count and fingerprint."""
        one = self._find(frame.number)
        if not one.is_listed or one.theirs is not None:
            raise RemoteProtocolError("compare", "an area was compared before it was listed")
        one.theirs = RangeSummary(frame.count, frame.fingerprint)
        self._finish(one)

    def advance(self) -> None:
        """Goes on with whatever waited for others of this session; called after every input."""
        for one in list(self._open.values()):
            if one.waiting is not None and not self._is_backlogged:
                items, one.waiting = one.waiting, None
                self._outbox.run(self._answer(one, items))
            is_done = one.is_listed and one.is_listing and not one.is_comparing
            if is_done and self._pull.is_idle and self._offers.is_idle:
                one.is_comparing = True
                self._outbox.run(self._compare(one))
        self._open_next()

    @property
    def _is_backlogged(self) -> bool:
        return self._pull.is_backlogged or self._offers.is_backlogged

    def _core(self, claim: Claim) -> Reconciliation:
        namespace, area = claim
        return Reconciliation(namespace, area, self._answer_bytes)

    def _open_next(self) -> None:
        ours = sum(number % 2 == self._next % 2 for number in self._open)
        while self._planned and ours < limits.RECONCILIATIONS_MAX:
            claim = self._planned.popleft()
            if not Grants(self.common).include(*claim):
                continue  # it was common when it was planned
            core = self._core(claim)
            one = _Open(self._next, core, _is_authority(core.area.path), is_our_turn=True)
            self._next += 2
            ours += 1
            self._open[one.number] = one
            self._outbox.run(self._begin(one))

    def _find(self, number: int) -> _Open:
        one = self._open.get(number)
        if one is None:
            raise RemoteProtocolError("reconcile-number", f"no reconciliation {number} is open")
        return one

    def _take(self, one: _Open, items: Sequence[RangeItem]) -> None:
        one.rounds += 1
        if one.rounds > limits.ROUNDS_MAX:
            raise RemoteProtocolError("ranges-endless", "a reconciliation comes to no end")
        one.waiting = tuple(items)  # `advance` answers it at once, or when less is under way

    def _begin(self, one: _Open) -> Steps[None]:
        answer = yield from one.core.begin()
        area = encode_area(one.core.area)
        self._outbox.send(Reconcile(one.number, one.core.namespace, area, answer.items))
        self._pass_turn(one)

    def _answer(self, one: _Open, items: Sequence[RangeItem]) -> Steps[None]:
        since_s = self._outbox.now_s
        answer: Answer = yield from one.core.answer(items)
        core, is_urgent = one.core, one.is_urgent
        self._offers.offer(core.namespace, core.area, answer.offers, is_urgent=is_urgent)
        self._offers.learn((*answer.lacking, *answer.kept_out))
        self._report.entries_kept_out += len(answer.kept_out)
        self._pull.need(core.namespace, answer.lacking, is_urgent=is_urgent, since_s=since_s)
        if answer.items:
            self._outbox.send(Ranges(one.number, answer.items))
            self._pass_turn(one)
        else:
            self._end(one)

    def _pass_turn(self, one: _Open) -> None:
        """Ranges were sent, which the peer answers."""
        self._report.rounds += 1
        one.is_our_turn = False
        one.turned_s = self._outbox.now_s

    def _end(self, one: _Open) -> None:
        """No ranges are left: we say so, after what is still to be announced."""
        if not one.is_listing:
            one.is_listing = True
            one.is_our_turn = False
            one.turned_s = self._outbox.now_s
            self._offers.finish(one.number, is_urgent=one.is_urgent)

    def _compare(self, one: _Open) -> Steps[None]:
        core = one.core
        ours = EMPTY_SUMMARY
        if one.is_shown or self.readable.include(core.namespace, core.area):
            summaries: Sequence[RangeSummary] = yield Summarise(
                core.namespace, core.area, (core.bounds,)
            )
            ours = summaries[0]
        one.ours = ours
        one.turned_s = self._outbox.now_s
        self._outbox.send(Compare(one.number, one.ours.count, one.ours.fingerprint))
        self._finish(one)

    def _finish(self, one: _Open) -> None:
        if one.ours is None or one.theirs is None:
            return
        del self._open[one.number]
        # No more is missing than what was kept out, so far as numbers tell.
        lacking = one.theirs.count - one.ours.count
        is_equal = one.ours == one.theirs or 0 < lacking <= self._report.entries_kept_out
        claim = one.core.namespace, one.core.area
        (self._unequal.discard if is_equal else self._unequal.add)(claim)
        self._compared_s = self._outbox.now_s
        self._report.areas_equal += is_equal
        self._report.areas_different += not is_equal
        self._outbox.notify(
            AreaReconciled(one.core.namespace, one.core.area, one.ours.count, is_equal)
        )


def _is_authority(path: tuple[bytes, ...]) -> bool:
    return path[:1] == AUTHORITY_PATH
