"""What this node asked its peers for and has not got yet: shared by all of its sessions.

    ask ──> nobody was asked: this peer is            another was: its session waits
    it came, and is stored                            whoever waits need not ask
    refused · missing there · the peer left           whoever waits may ask
    no answer within the patience                     all who wait ask at once, and from now on
                                                      nobody waits for that peer, until it gives

So what five peers announce is asked of one of them. Whoever announces and gives nothing delays an
entry by the patience, once: then it is *slow*, and its questions hold up nobody. Nor do those of
its friends: what was waited for in vain is *contested*, and asked of everybody who announces it.

Each key is an entry's namespace and 16-byte id. Memory is bounded by what sessions may ask for at
once and by what they may need (`Pull`); time is an argument.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from crdt.keys import NamespaceKey
from p2p.protocol import limits

Key: TypeAlias = tuple[NamespaceKey, bytes]


@dataclass(eq=False, slots=True)
class Asker:
    """One session's hand in it."""

    wake: Callable[[], None]
    """Called when `freed` has something: the session is to go on soon, not from within the call."""
    freed: dict[Key, bool] = field(default_factory=dict[Key, bool])
    """What it waited for and waits for no more; True where it is stored."""
    claims: int = 0
    is_trusted: bool = False  # it gave something good in this session
    is_slow: bool = False  # somebody waited for it in vain, and it has given nothing since
    gave_s: float = 0.0

    def take(self) -> Sequence[tuple[Key, bool]]:
        """What was freed since the last time, in the order it was."""
        freed, self.freed = self.freed, {}
        return tuple(freed.items())


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
        self._claims: OrderedDict[Key, _Claim] = OrderedDict()  # the oldest first
        self._stored: OrderedDict[Key, float] = OrderedDict()  # lately, and when
        self._contested: OrderedDict[Key, None] = OrderedDict()
        self._counted: dict[Asker, None] = {}  # those that have claims

    def __len__(self) -> int:
        return len(self._claims)

    def join(self, wake: Callable[[], None]) -> Asker:
        """A session begins."""
        return Asker(wake)

    def leave(self, asker: Asker) -> None:
        """It ended: whoever waited for it may ask."""
        self.end(asker, [key for key, one in self._claims.items() if one.asker is asker])
        asker.freed.clear()
        asker.wake = _nobody

    def room(self, asker: Asker) -> int:
        """How many it may ask for now: what comes from several sides comes in no order.

        A store keeps only so many entries that wait for others. Where one peer gives everything
        there is no bound but the session's own.
        """
        others = sum(
            one.claims
            for one in self._counted
            if one is not asker and one.is_trusted and not one.is_slow
        )
        if not others:
            return limits.WANT_IDS_MAX
        return max(0, limits.ASKED_OF_SEVERAL_MAX - others - asker.claims)

    def ask(self, asker: Asker, key: Key, *, now_s: float) -> bool:
        """Whether to ask the peer now; if not, the session hears by `Asker.freed`."""
        claim = self._claims.get(key)
        if claim is not None and claim.asker is not asker:
            if not claim.is_over(now_s):
                claim.waiting[asker] = None
                return False
            self._give_up(key, claim)
        if key not in self._claims and key not in self._contested:
            self._claims[key] = _Claim(asker, now_s)
            asker.claims += 1
            self._counted[asker] = None
        return True

    def given(self, asker: Asker, keys: Iterable[Key], *, now_s: float) -> None:
        """The peer gave these, and the store is to take them."""
        for key in keys:
            claim = self._claims.get(key)
            if claim is not None and claim.asker is asker:
                claim.is_given = True
                asker.gave_s = now_s

    def judged(self, asker: Asker, *, is_good: bool) -> None:
        """What it gave was taken, or some of it was not."""
        asker.is_trusted = asker.is_trusted or is_good
        asker.is_slow = asker.is_slow and not is_good

    def end(self, asker: Asker, keys: Iterable[Key]) -> None:
        """This peer does not give these (any more): whoever waits may ask, if they did not come."""
        for key in keys:
            claim = self._claims.get(key)
            if claim is not None and claim.asker is asker:
                self._free(key, claim, is_stored=key in self._stored)

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
        """Time passed: what is waited for in vain is freed."""
        for key, claim in list(self._claims.items()):
            if now_s < claim.at_s + limits.ENTRIES_PATIENCE_S:
                break  # so are all that follow
            is_there = self._claims.get(key) is claim  # it may have gone with one before it
            if is_there and claim.waiting and claim.is_over(now_s):
                self._give_up(key, claim)

    def _give_up(self, key: Key, claim: _Claim) -> None:
        """Nobody waits for this peer any more, whatever it was asked for."""
        slow, also = claim.asker, [(key, claim)]
        if not slow.is_slow:
            slow.is_slow = True
            also += [
                (other, one)
                for other, one in self._claims.items()
                if one.asker is slow and one.waiting and one is not claim and not one.is_given
            ]
        for other, one in also:
            self._contested[other] = None
            self._free(other, one, is_stored=False)
        _trim(self._contested)

    def _free(self, key: Key, claim: _Claim, *, is_stored: bool) -> None:
        del self._claims[key]
        claim.asker.claims -= 1
        if not claim.asker.claims:
            self._counted.pop(claim.asker, None)
        for one in claim.waiting:
            is_first = not one.freed
            one.freed[key] = is_stored
            if is_first:
                one.wake()


def _trim(remembered: "OrderedDict[Key, Any]") -> None:
    while len(remembered) > limits.STORED_REMEMBERED_MAX:
        remembered.popitem(last=False)


def _nobody() -> None:
    """A session that is over goes on no more."""
