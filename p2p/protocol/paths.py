"""Which place a session tries next, to move to a better carrier, or to any when it has none.

    without a channel   every known place, the best carrier first, again and again
    with one            places whose carrier is better: at once, then less and less often
    with one that ends  every place that does not end with it, as without any

For a session that is idle, or talks of entries, a direct way is better than one that others pay
for; for a big transfer what matters is that bytes flow. Whoever fetches knows that it is one: the
other side follows, and leaves what is better for one and worse for the other to it for a while.
Time and randomness are arguments.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, TypeAlias

from p2p.protocol.backoff import Backoff

CarrierKind: TypeAlias = Literal["tcp", "webrtc", "websocket", "relay"]
RANKS: Mapping[CarrierKind, int] = {"tcp": 0, "webrtc": 1, "websocket": 2, "relay": 3}
BULK_RANKS: Mapping[CarrierKind, int] = {"tcp": 0, "websocket": 1, "relay": 1, "webrtc": 2}

PLACES_MAX = 16  # of one peer; more are forgotten, the oldest first
BETTER_FIRST_S, BETTER_LONGEST_S = 5.0, 300.0  # between two tries of a place that is better
ADRIFT_FIRST_S, ADRIFT_LONGEST_S = 0.5, 5.0  # it has to come soon: a session lingers for 30 s
# The side that was called leaves the other one the first try: two at once are one too many.
CALLED_WAITS_S = 3.0
FOLLOWED_WAITS_S = 60.0  # from when the other side moved, or was given what it fetches


@dataclass(slots=True)
class _Place:
    kind: CarrierKind
    better: Backoff = field(default_factory=lambda: Backoff(BETTER_FIRST_S, BETTER_LONGEST_S))
    adrift: Backoff = field(default_factory=lambda: Backoff(ADRIFT_FIRST_S, ADRIFT_LONGEST_S))
    after_s: float = 0.0  # not tried before


class Paths:
    """The places of one peer, and what became of trying them."""

    def __init__(self, kind: CarrierKind, *, is_caller: bool, now_s: float) -> None:
        self._kind: CarrierKind | None = kind  # of the present channel
        self._wait_s = 0.0 if is_caller else CALLED_WAITS_S
        self._since_s = now_s  # with this channel, or without any
        self._is_doomed = False  # the present channel ends soon
        self._bulk = 0  # transfers that want it
        self._theirs_until_s = now_s  # the other side may know of a big transfer
        self._places: dict[str, _Place] = {}

    def know(self, places: Iterable[tuple[str, CarrierKind]], *, now_s: float) -> None:
        """The peer can be called there, or so somebody says; what is new is tried at once."""
        for place, kind in places:
            if place not in self._places:
                self._places[place] = _Place(kind, after_s=now_s)
                if len(self._places) > PLACES_MAX:
                    del self._places[next(iter(self._places))]

    def use(self, kind: CarrierKind | None, *, now_s: float) -> None:
        """The session is on a channel of this kind now; None: on none."""
        self._kind, self._since_s, self._is_doomed = kind, now_s, False
        for place in self._places.values():
            place.adrift.reset()
            if kind is None:
                place.after_s = now_s

    def want_bulk(self, wanted: int, *, now_s: float) -> None:
        """So many transfers more want a carrier for megabytes; fewer, where it is negative."""
        was_bulk, self._bulk = self._bulk > 0, max(0, self._bulk + wanted)
        if was_bulk != (self._bulk > 0):
            self.hurry(now_s=now_s)

    def leave_to_them(self, *, now_s: float) -> None:
        """The other side moved the session, or fetches a blob: it may want a carrier for that."""
        self._theirs_until_s = now_s + FOLLOWED_WAITS_S

    def hurry(self, *, now_s: float) -> None:
        """The network is another one, or what is wanted: all that failed is worth a try again."""
        for place in self._places.values():
            place.better.reset()
            place.adrift.reset()
            place.after_s = now_s

    def flee(self, is_lost: Callable[[str], bool], *, now_s: float) -> None:
        """The present channel ends soon, and the places that `is_lost` names lead nowhere."""
        self._is_doomed = True
        self._places = {name: one for name, one in self._places.items() if not is_lost(name)}
        self.hurry(now_s=now_s)

    def failed(self, name: str, random: Random, *, now_s: float) -> None:
        """The session did not get there."""
        if place := self._places.get(name):
            is_urgent = self._kind is None or self._is_doomed
            backoff = place.adrift if is_urgent else place.better
            place.after_s = now_s + max(backoff.fail(random), backoff.first_s / 2)

    def next(self, *, now_s: float) -> str | None:
        """The place to try now, if there is one."""
        due = [(rank, name) for rank, after_s, name in self._worth() if after_s <= now_s]
        return min(due)[1] if due else None

    def wait_s(self, *, now_s: float) -> float | None:
        """Until `next` may give something; None: not before something happens."""
        times = [after_s for _, after_s, _ in self._worth()]
        return max(0.0, min(times) - now_s) if times else None

    def _worth(self) -> Iterable[tuple[int, float, str]]:
        """The rank of each place that would help, when it may be tried, and its name."""
        ranks = BULK_RANKS if self._bulk else RANKS
        is_urgent = self._kind is None or self._is_doomed
        present = len(RANKS) if is_urgent or self._kind is None else ranks[self._kind]
        for name, place in self._places.items():
            if ranks[place.kind] < present:
                after_s = max(place.after_s, self._since_s + self._wait_s)
                if self._is_theirs(place.kind):
                    after_s = max(after_s, self._theirs_until_s)
                yield ranks[place.kind], after_s, name

    def _is_theirs(self, kind: CarrierKind) -> bool:
        """Whether it is better than the present one for small things alone."""
        if self._kind is None or self._bulk or self._is_doomed:
            return False
        return BULK_RANKS[kind] > BULK_RANKS[self._kind]
