"""How often a secret may be guessed: slower for each host and each invite, and then not any more.

    host     a bucket of `HOST_GUESSES` that fills by one in `HOST_GUESS_S`
    invite   nothing is looked at within `INVITE_GUESS_S` after a wrong one; after `WRONG_MAX`
             the invite is dead (the store counts those, so that no restart forgets them)

Time is an argument. Hosts are those of `p2p.protocol.offences.host_of`.
"""

from collections import OrderedDict
from math import ceil

from p2p.protocol.limits import TokenBucket

WRONG_MAX = 10
HOST_GUESSES = 12
HOST_GUESS_S = 10.0
INVITE_GUESS_S = 1.0
HOSTS_MAX = 1_024
"""Remembered at a time; those that guessed longest ago are forgotten."""


class Guesses:
    """Told of wrong guesses; says how long to wait."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, TokenBucket] = OrderedDict()
        self._wrong_s: OrderedDict[bytes, float] = OrderedDict()

    def wait_s(self, host: str, *, now_s: float) -> int:
        """How long `host` should stay away; 0 where it may try now."""
        bucket = self._hosts.get(host)
        if bucket is None:
            return 0
        left = bucket.left(now_s=now_s)
        if left >= HOST_GUESSES:
            del self._hosts[host]
        return 0 if left >= 1 else max(1, ceil((1 - left) * HOST_GUESS_S))

    def rest_s(self, invite: bytes, *, now_s: float) -> int:
        """How long this invite is not looked at."""
        left = INVITE_GUESS_S - (now_s - self._wrong_s.get(invite, -INVITE_GUESS_S))
        return max(0, ceil(left))

    def wrong(self, host: str, invite: bytes | None, *, now_s: float) -> None:
        """A guess from `host` was wrong; `invite` is the one it named, where there is one."""
        bucket = self._hosts.setdefault(
            host, TokenBucket.full(1 / HOST_GUESS_S, HOST_GUESSES, now_s=now_s)
        )
        bucket.spend(now_s=now_s, tokens=1)
        self._hosts.move_to_end(host)
        if len(self._hosts) > HOSTS_MAX:
            self._hosts.popitem(last=False)
        if invite is not None:
            self._wrong_s[invite] = now_s
            self._wrong_s.move_to_end(invite)
            if len(self._wrong_s) > HOSTS_MAX:
                self._wrong_s.popitem(last=False)
