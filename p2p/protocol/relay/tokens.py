"""The token of a private relay: compared in constant time, and wrong ones judged less often."""

import hmac
from collections import OrderedDict

from p2p.protocol.errors import PeerLeft
from p2p.protocol.limits import TokenBucket
from p2p.protocol.relay import limits

WRONG = "wrong-token"


class TokenGate:
    """Who may register. `token` is empty where everybody may."""

    def __init__(self, token: bytes) -> None:
        self._token = token
        self._wrong: OrderedDict[str, TokenBucket] = OrderedDict()

    def check(self, token: bytes, host: str, *, now_s: float) -> None:
        """Raises `PeerLeft` where it is not the one, or too many of `host` were not."""
        if not self._token:
            return
        bucket = self._wrong.get(host)
        if bucket is not None and bucket.left(now_s=now_s) < 1.0:
            sentence = "Too many wrong tokens for this relay came from the address of this node."
            raise PeerLeft(WRONG, sentence, wait_s=limits.WRONG_WAIT_S)
        if hmac.compare_digest(token, self._token):
            return
        if bucket is None:
            bucket = TokenBucket.full(
                limits.WRONG_TOKENS_PER_S, limits.WRONG_TOKENS_BURST, now_s=now_s
            )
            self._wrong[host] = bucket
            if len(self._wrong) > limits.WRONG_HOSTS_MAX:
                self._wrong.popitem(last=False)
        self._wrong.move_to_end(host)
        bucket.spend(now_s=now_s, tokens=1.0)
        said = "has another token" if token else "is private: its operator gives out the token"
        raise PeerLeft(WRONG, f"This relay {said}.", wait_s=limits.WRONG_WAIT_S)
