"""What can go wrong between two nodes.

SyncError                 code: a short reason for programs; sentence: one for people
├── LocalProtocolError    we broke a rule: a bug in the caller
├── RemoteProtocolError   the peer broke a rule: close, and count it against the peer
├── NotStored             a blob came, and this node's own store did not take it
│   └── NoRoom            its disk has no room for it
└── PeerLeft              the conversation ended, and nobody is to blame
    └── PeerTimeout       nothing was heard from the peer for too long
"""

from typing import Final

DUPLICATE: Final = "duplicate"
"""The code of a session that makes way for another one with the same peer."""


class SyncError(Exception):
    """The conversation with a peer went wrong."""

    def __init__(self, code: str, sentence: str, *, wait_s: int = 0) -> None:
        """`wait_s`: not to be tried again before; 0 where nobody said."""
        super().__init__(f"{sentence} ({code})")
        self.code = code
        self.sentence = sentence
        self.wait_s = wait_s


class LocalProtocolError(SyncError):
    """This node broke a rule of the protocol, which is a bug in it."""


class RemoteProtocolError(SyncError):
    """The peer broke a rule of the protocol."""


class PeerLeft(SyncError):
    """The peer ended the conversation."""


class PeerTimeout(PeerLeft):
    """Nothing was heard from the peer for too long."""


class NotStored(SyncError):
    """This node could not store what came."""


class NoRoom(NotStored):
    """This node's disk has no room for it."""
