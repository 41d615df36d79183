"""How much a peer may be asked for at a time, by what it gave so far.

A peer is on trial until it gave something good, and again once something was refused: what is asked
for is taken from a token bucket, and what turns out good is given back to it. So the entries of a
peer that gives only bad ones come by the handful, then by the second, and then not at all.

Of what a revoked key wrote the store keeps only so much, and whoever passes more of it on may be as
honest as any: it is no strike, but nothing good either, and has a bucket of its own. While that is
empty nothing but authority records is asked for.
"""

from p2p.protocol import limits
from p2p.protocol.limits import TokenBucket


class Trial:
    """Of one peer, in one session."""

    def __init__(self, *, strikes: int, now_s: float) -> None:
        self.strikes = strikes
        self._has_given = False  # something, and all of that answer was good
        self._trial = TokenBucket.full(limits.TRIAL_IDS_PER_S, limits.TRIAL_IDS_MAX, now_s=now_s)
        self._revoked = TokenBucket(
            limits.REVOKED_IDS_PER_S, limits.REVOKED_IDS_MAX, limits.REVOKED_IDS_FIRST, now_s
        )
        self.is_heeded = True  # where it says that something is urgent

    @property
    def is_on(self) -> bool:
        """Whether what is asked for is counted against a bucket."""
        return self.strikes > 0 or not self._has_given

    def room(self, *, is_urgent: bool, waiting: int, now_s: float) -> int:
        """How many ids the next Want may name, of so many that are not urgent."""
        room = limits.WANT_IDS_MAX
        if self.is_on:
            room = min(room, int(self._trial.left(now_s=now_s)))
        if is_urgent:
            return room
        left = int(self._revoked.left(now_s=now_s))
        return min(room, left) if left >= min(limits.REVOKED_IDS_LUMP, waiting) else 0

    def spend(self, ids: int, *, is_urgent: bool, now_s: float) -> bool:
        """So many are asked for; whether tokens of the trial were taken for them."""
        if self.is_on:
            self._trial.spend(now_s=now_s, tokens=ids)
        if not is_urgent:
            self._revoked.spend(now_s=now_s, tokens=ids)
        return self.is_on

    def give_back(self, *, trial: int, revoked: int, was_on: bool, was_urgent: bool) -> None:
        """So many of what was asked for cost nothing, by what either bucket is there for."""
        if was_on:
            self._trial.give_back(trial)
        if not was_urgent:
            self._revoked.give_back(revoked)

    def judge(
        self, *, good: int, bad: int, too_many: int, was_on: bool, was_urgent: bool, now_s: float
    ) -> None:
        """An answer was that good, that bad, and had so much of a revoked key that is not kept."""
        # Twice what was good, so that who gives such is soon asked for as much as there may be.
        all_but = good + bad
        self.give_back(trial=good, revoked=all_but + good, was_on=was_on, was_urgent=was_urgent)
        if not was_on:
            self._trial.spend(now_s=now_s, tokens=bad)
        if was_urgent and too_many:  # by an admin who is one no more, or a lie: they wait, too
            self.is_heeded = False
            self._revoked.spend(now_s=now_s, tokens=too_many)
        self._has_given = self._has_given or (good > 0 and not bad)
        self.strikes += bad
