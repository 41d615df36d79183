"""How much of a relay's disk each host may fill: keys are free, so it answers for all of its own.

A share is a part of the room that there is, and grows back in the time for which the most of it is
kept; that of a mailbox is whole again once its owner has taken something. Nothing of it is on disk:
a relay that starts anew has forgotten who left what.
"""

from collections import OrderedDict

from p2p.protocol.limits import TokenBucket
from p2p.protocol.relay import limits


class Shares:
    """Of one room: by host, the least recent of `most` go. Amounts are parts of a share."""

    def __init__(self, full_s: float, *, most: int) -> None:
        """Shares are full again after `full_s`."""
        self._per_s = 1.0 / full_s
        self._most = most
        self._by_host: OrderedDict[str, TokenBucket] = OrderedDict()

    def has(self, host: str, amount: float, *, now_s: float) -> bool:
        bucket = self._by_host.get(host)
        return bucket is None or bucket.left(now_s=now_s) >= amount

    def spend(self, host: str, amount: float, *, now_s: float) -> None:
        if host not in self._by_host:
            self._by_host[host] = TokenBucket.full(self._per_s, 1.0, now_s=now_s)
            if len(self._by_host) > self._most:
                self._by_host.popitem(last=False)
        self._by_host.move_to_end(host)
        self._by_host[host].spend(now_s=now_s, tokens=amount)


class DiskShares:
    """Of all letters, of the letters for each device, and of all posts."""

    def __init__(self) -> None:
        self._letters = Shares(limits.LETTER_S_MAX, most=limits.HOSTS_MAX)
        self._posts = Shares(limits.POST_S_MAX, most=limits.HOSTS_MAX)
        self._mailboxes: OrderedDict[bytes, Shares] = OrderedDict()

    def take_letter(self, host: str, receiver: bytes, size: int, *, now_s: float) -> bool:
        """Whether `host` may leave one of `size` bytes there; if not, nothing is taken."""
        mailbox = self._mailboxes.get(receiver)
        if mailbox is None:
            mailbox = self._mailboxes[receiver] = Shares(
                limits.LETTER_S_MAX, most=limits.LETTERS_OF_RECEIVER_MAX
            )
            if len(self._mailboxes) > limits.MAILBOXES_SHARED_MAX:
                self._mailboxes.popitem(last=False)
        self._mailboxes.move_to_end(receiver)
        of_all = size / limits.LETTERS_OF_HOST_BYTES_MAX
        of_mailbox = max(
            1.0 / limits.LETTERS_OF_HOST_TO_DEVICE_MAX,
            size / limits.LETTERS_OF_HOST_TO_DEVICE_BYTES_MAX,
        )
        has_room = self._letters.has(host, of_all, now_s=now_s)
        if not (has_room and mailbox.has(host, of_mailbox, now_s=now_s)):
            return False
        self._letters.spend(host, of_all, now_s=now_s)
        mailbox.spend(host, of_mailbox, now_s=now_s)
        return True

    def collected(self, receiver: bytes) -> None:
        """Its owner empties that mailbox."""
        self._mailboxes.pop(receiver, None)

    def take_post(self, host: str, *, now_s: float) -> bool:
        """Whether `host` may leave one more."""
        amount = 1.0 / limits.POSTS_OF_HOST_MAX
        has_room = self._posts.has(host, amount, now_s=now_s)
        if has_room:
            self._posts.spend(host, amount, now_s=now_s)
        return has_room
