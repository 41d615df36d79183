"""What this node asked its peers for and has not got yet: shared by all of its sessions.

    ask ──> nobody was asked: this peer is            another was: its session waits
    it came, and is stored                            whoever waits need not ask
    refused · left over · the peer left               whoever waits may ask
    missing there, though it announced it             all who wait ask at once, and from now on
                                                      nobody waits for that peer, until it gives
    no answer within the patience                     the same
    waited for others for too long in all             the same; nobody is to blame

So what five peers announce is asked of one of them. Whoever announces and gives nothing delays an
entry by the patience, once: then it is *slow*, and what it is asked for is asked of another too.
What was waited for in vain is *contested*, and asked of everybody who announces it: so all of its
friends are found out at the same time.

What was asked for in vain takes no room from others either, whether or not somebody waits for it,
unless it is on its way; and however little room there is, each session may ask for a few. A slow
peer that owes more than these is asked for nothing.

Each key is an entry's namespace and 16-byte id. Memory is bounded by what sessions may ask for at
once and by what they may need (`Pull`); time is an argument.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from crdt.keys import NamespaceKey
from p2p.protocol import limits
from p2p.protocol.wants import Wants

Key: TypeAlias = tuple[NamespaceKey, bytes]


@dataclass(eq=False, slots=True)
class Asker:
    """One session's hand in it."""

    wake: Callable[[], None]
    """Called when `freed` has something: the session is to go on soon, not from within the call."""
    freed: dict[Key, bool] = field(default_factory=dict[Key, bool])
    """What it waited for and waits for no more; True where it is stored."""
    claims: "OrderedDict[Key, _Claim]" = field(default_factory=lambda: OrderedDict())
    """What its peer was asked for, the oldest first."""
    is_trusted: bool = False  # it gave something good in this session
    is_slow: bool = False  # it was asked in vain, and has given nothing since
    gave_s: float = 0.0
    is_giving: bool = False  # what it still owes is on its way
    asked: Wants = field(default_factory=Wants)

    @property
    def taken(self) -> int:
        """How much of the room in common is its own."""
        owed = self.asked.owed if self.is_giving else 0
        return max(owed, 0 if self.is_slow else len(self.claims))

    def take(self) -> Sequence[tuple[Key, bool]]:
        """What was freed since the last time, in the order it was."""
        freed, self.freed = self.freed, {}
        return tuple(freed.items())

    def hear_part(self, size: int, *, now_s: float) -> None:
        """So many bytes came: a long answer is on its way, where it is more than pings."""
        if size >= limits.PART_BYTES:
            self.gave_s = now_s


@dataclass(slots=True)
class _Claim:
    asker: Asker
    at_s: float
    is_given: bool = False  # the store is at it: no fault of the peer's
    waiting: dict[Asker, None] = field(default_factory=dict[Asker, None])

    def is_over(self, now_s: float) -> bool:
        """Whether nobody need wait for it."""
        if self.is_given:
            return False
        longest_s = self.at_s + limits.ENTRIES_PATIENCE_LONGEST_S
        patience_s = max(self.at_s, self.asker.gave_s) + limits.ENTRIES_PATIENCE_S
        return self.asker.is_slow or now_s >= min(longest_s, patience_s)


class Underway:
    """Who was asked for what."""

    def __init__(self) -> None:
        self._claims: dict[Key, _Claim] = {}
        self._stored: OrderedDict[Key, float] = OrderedDict()  # lately, and when
        self._contested: OrderedDict[Key, None] = OrderedDict()
        self._counted: dict[Asker, None] = {}  # those that have claims
        self._giving: dict[Asker, None] = {}  # those whose answers are on their way

    def __len__(self) -> int:
        return len(self._claims)

    def join(self, wake: Callable[[], None]) -> Asker:
        """A session begins."""
        return Asker(wake)

    def leave(self, asker: Asker) -> None:
        """It ended: whoever waited for it may ask."""
        self.end(asker, list(asker.claims))
        self._giving.pop(asker, None)
        asker.freed.clear()
        asker.wake = _nobody

    def room(self, asker: Asker, *, is_urgent: bool = False) -> int:
        """How many it may ask for now: what comes from several sides comes in no order.

        A store keeps only so many entries that wait for others. Where one peer gives everything
        there is no bound but the session's own.
        """
        others = [
            taken
            for one in {**self._counted, **self._giving}
            if one is not asker and one.is_trusted and (taken := one.taken)
        ]
        if asker.is_slow:
            few = limits.ASKED_OF_EACH + limits.ASKED_URGENT_BEYOND * is_urgent
            return max(0, few - asker.asked.owed)
        if not others:
            return limits.WANT_IDS_MAX
        most = limits.ASKED_OF_SEVERAL_MAX
        each = max(1, min(limits.ASKED_OF_EACH, most // (1 + len(others))))
        each += limits.ASKED_URGENT_BEYOND * is_urgent
        return max(0, max(most - sum(others), each) - max(asker.asked.owed, len(asker.claims)))

    def ask(self, asker: Asker, key: Key, *, now_s: float) -> bool:
        """Whether to ask the peer now; if not, the session hears by `Asker.freed`."""
        claim = self._claims.get(key)
        if claim is not None and claim.asker is not asker:
            if not claim.is_over(now_s):
                claim.waiting[asker] = None
                return False
            self._give_up(key, claim)
            self._all_may_ask(key)
        if key not in self._claims and key not in self._contested and not asker.is_slow:
            self._claims[key] = asker.claims[key] = _Claim(asker, now_s)
            self._counted[asker] = None
        return True

    def given(self, asker: Asker, keys: Iterable[Key], *, now_s: float) -> None:
        """The peer gave these, and the store is to take them."""
        for key in keys:
            asker.gave_s = now_s
            claim = self._claims.get(key)
            if claim is not None and claim.asker is asker:
                claim.is_given = True

    def judged(self, asker: Asker, *, is_good: bool) -> None:
        """What it gave was taken, or some of it was not."""
        asker.is_trusted = asker.is_trusted or is_good
        asker.is_slow = asker.is_slow and not is_good

    def end(self, asker: Asker, keys: Iterable[Key], *, is_vain: bool = False) -> None:
        """This peer does not give these (any more): whoever waits may ask, if they did not come.

        `is_vain`: it had announced them, and has not got them.
        """
        for key in keys:
            claim = self._claims.get(key)
            if claim is not None and claim.asker is asker:
                if is_vain and key not in self._stored:
                    asker.is_slow = asker.is_slow or bool(claim.waiting)
                    self._free_in_vain(key, claim)
                else:
                    self._free(key, claim, is_stored=key in self._stored)

    def contest(self, key: Key) -> bool:
        """Somebody waited for long enough: all who wait may ask, unless the store is at it."""
        claim = self._claims.get(key)
        if claim is None or claim.is_given:
            return False
        self._free_in_vain(key, claim)
        return True

    def stored(self, keys: Collection[Key], *, now_s: float) -> None:
        """These are in the store, whoever brought them."""
        for key in keys:
            self._stored[key] = now_s
            self._stored.move_to_end(key)
            self._contested.pop(key, None)
            claim = self._claims.get(key)
            if claim is not None:
                self._free(key, claim, is_stored=True)
        _trim(self._stored)

    def came_since(self, key: Key, since_s: float) -> bool:
        """Whether it was stored since: what the store said then is out of date."""
        return self._stored.get(key, float("-inf")) >= since_s

    def look(self, *, now_s: float) -> None:
        """Time passed: what was asked for in vain is freed."""
        for asker in list(self._giving):  # of a session that lost its channel nothing is on its way
            self._look_if_giving(asker, now_s)
        for asker in list(self._counted):
            for key, claim in _over(asker, now_s):
                if self._claims.get(key) is claim:  # it may have gone with one before it
                    self._give_up(key, claim)

    def look_at(self, asker: Asker, *, now_s: float) -> None:
        """Time passed: whoever gives nothing is slow, also where it was asked as one of many."""
        self._look_if_giving(asker, now_s)
        owed_s, until_s = asker.asked.oldest_s, asker.gave_s + limits.ENTRIES_PATIENCE_S
        if owed_s is not None and now_s >= max(owed_s + limits.ENTRIES_PATIENCE_S, until_s):
            asker.is_slow = True

    def _look_if_giving(self, asker: Asker, now_s: float) -> None:
        """Whether what it owes is on its way, and takes room."""
        owed_s, until_s = asker.asked.oldest_s, asker.gave_s + limits.ENTRIES_PATIENCE_S
        asker.is_giving = owed_s is not None and now_s < min(until_s, owed_s + limits.ANSWER_S)
        if asker.is_giving:
            self._giving[asker] = None
        else:
            self._giving.pop(asker, None)

    def _give_up(self, key: Key, claim: _Claim) -> None:
        """Nobody waits for this peer any more, whatever it was asked for."""
        slow, also = claim.asker, [(key, claim)]
        if not slow.is_slow:
            slow.is_slow = True
            also += [
                (other, one)
                for other, one in slow.claims.items()
                if one.waiting and one is not claim and not one.is_given
            ]
        for other, one in also:
            self._free_in_vain(other, one)

    def _free_in_vain(self, key: Key, claim: _Claim) -> None:
        """What nobody waited for may be made up, and would only take the place of what is not."""
        if claim.waiting:
            self._all_may_ask(key)
        self._free(key, claim, is_stored=False)

    def _all_may_ask(self, key: Key) -> None:
        self._contested[key] = None
        self._contested.move_to_end(key)
        _trim(self._contested)

    def _free(self, key: Key, claim: _Claim, *, is_stored: bool) -> None:
        del self._claims[key]
        del claim.asker.claims[key]
        if not claim.asker.claims:
            self._counted.pop(claim.asker, None)
        for one in claim.waiting:
            is_first = not one.freed
            one.freed[key] = is_stored
            if is_first:
                one.wake()


def _over(asker: Asker, now_s: float) -> list[tuple[Key, _Claim]]:
    """What it was asked for, and nobody need wait for: the oldest, but for what it gave."""
    found: list[tuple[Key, _Claim]] = []
    for key, claim in asker.claims.items():
        if claim.is_over(now_s):
            found.append((key, claim))
        elif not claim.is_given:
            break  # so are all that follow
    return found


def _trim(remembered: "OrderedDict[Key, Any]") -> None:
    while len(remembered) > limits.STORED_REMEMBERED_MAX:
        remembered.popitem(last=False)


def _nobody() -> None:
    """A session that is over goes on no more."""
