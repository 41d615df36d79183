"""One session over one channel after another: numbered frames, kept until they are acknowledged.

             ┌── lost ──> ADRIFT ── LINGER_S ──> ended
    ON(old) ─┤              │
             └── Resume ──> MOVING(new, old or none) ── Resumed ──> ON(new)
                              └── lost, refused, RESUME_S ──> ON(old), or ADRIFT

    link.put(frame)                         the session sends
    link.take()                             to be written to `link.current`, in order
    link.hear(channel, data, now_s=…)       what was read; given back where it is the session's
    link.resume_on(channel, hash, …)        this side moves: to be written first on that channel
    link.hear_resume(channel, hash, …)      the other side moves: the answer, written first there
    link.lost(channel, why, now_s=…), link.tick(now_s=…)

A side says how many frames it has received when a channel begins, and from then on reads no other
one: so what comes over the new channel follows exactly what was counted, however often, by whomever
and into whichever holes the session is moved. Whether it may go back to an old channel after a move
that failed: yes, since nothing that came over the new one was read.

After each call `current`, `moving` and `ended` say what the shell should have open. The frames are
of `p2p.protocol.link_frames`; docs/protocol/link.md is the specification.
"""

from collections import deque
from typing import cast

from blake3 import blake3

from p2p.protocol import frames, limits
from p2p.protocol.config import Channel, Role
from p2p.protocol.costly import Costly
from p2p.protocol.errors import (
    LocalProtocolError,
    PeerLeft,
    PeerTimeout,
    RemoteProtocolError,
    SyncError,
)
from p2p.protocol.frames import decode_frame, decode_one_of, encode_frame, peek_kind
from p2p.protocol.link_frames import (
    LINK_FRAMES,
    LINK_KINDS,
    Ack,
    LinkFrame,
    NotResumed,
    Resume,
    Resumed,
)

SECRET_CONTEXT = "panspermia 2026-11 the secret of a session"
ID_PREFIX = b"panspermia-session:"
PROOF_PREFIX = b"panspermia-resume:"
ID_BYTES = 16
BY_KIND = {kind.__struct_config__.tag: kind for kind in LINK_FRAMES}

BUSY = "busy"
UNKNOWN = "unknown-session"


def session_secret(handshake_hash: bytes, *, initiators: bytes, responders: bytes) -> bytes:
    """Known to the two ends of a session alone: of both challenges, which only Hellos carried."""
    told = handshake_hash + initiators + responders
    return blake3(told, derive_key_context=SECRET_CONTEXT).digest()


def secret_of(channel: Channel, *, own: bytes, theirs: bytes) -> bytes:
    """`session_secret` of the session that began on `channel` with these challenges."""
    is_ours = channel.role is Role.INITIATOR
    initiators, responders = (own, theirs) if is_ours else (theirs, own)
    return session_secret(channel.handshake_hash, initiators=initiators, responders=responders)


def session_id(secret: bytes) -> bytes:
    """What a session is called in a Resume."""
    return blake3(ID_PREFIX, key=secret).digest()[:ID_BYTES]


def proof_of(secret: bytes, role: Role, kind: int, handshake_hash: bytes, received: int) -> bytes:
    """Over the new channel, by the side that has `role` in the session."""
    head = PROOF_PREFIX + bytes([kind, role.value])
    return blake3(head + handshake_hash + received.to_bytes(8, "big"), key=secret).digest()


class Refused(PeerLeft):
    """A Resume that is not followed; the sender is told why."""

    def frame(self) -> bytes:
        return encode_frame(NotResumed(self.code, self.sentence))


class Link:
    """Both directions of one session. Channels are numbers that the shell gives."""

    def __init__(self, channel: int, role: Role, *, is_smaller: bool, now_s: float) -> None:
        """`is_smaller`: this side's device key is, so of two moves at once its own one stands."""
        self.current: int | None = channel  # read and written, unless `moving`
        self.moving: int | None = None  # where a Resume waits for its answer
        self.ended: SyncError | None = None  # nothing goes on any more, and why
        self.why_lost: SyncError = PeerLeft("connection-lost", "The connection was lost.")
        self.moves = 0
        self.resent_bytes = 0
        self._role = role
        self._is_smaller = is_smaller
        self._secret: bytes | None = None
        self.since_s = now_s  # has it been on this channel, or on none
        self._heard_s = now_s
        self._settled_s = now_s  # when the other side last had more, or nothing waited
        self._moving_hash = b""
        self._sent: deque[bytes] = deque()  # written to `current`, and not acknowledged
        self._unsent: deque[bytes] = deque()
        self._sent_bytes = self._unsent_bytes = 0
        self._window_bytes = limits.KEPT_BYTES_FIRST
        self._acknowledged = 0  # frames, from the first one of the session on
        self._written = 0  # the highest number that ever went out
        self._received = 0
        self._received_bytes = 0  # since the last Ack
        self._told_bytes = 0  # in all Acks
        self._told = 0  # of `_received`
        self._costly = Costly(now_s=now_s)

    @property
    def is_adrift(self) -> bool:
        """There is no channel, and the session waits for one."""
        return self.current is None and self.moving is None and self.ended is None

    @property
    def kept_bytes(self) -> int:
        """What waits to be written, and what waits to be acknowledged."""
        return self._sent_bytes + self._unsent_bytes

    @property
    def unsent_bytes(self) -> int:
        """What waits to be written."""
        return self._unsent_bytes

    @property
    def owes_ack(self) -> bool:
        """`take` gives an Ack first."""
        return self._received_bytes >= self._ack_bytes

    @property
    def is_resumable(self) -> bool:
        return self._secret is not None and self.ended is None

    def agree(self, secret: bytes) -> None:
        """From now on the session may move."""
        self._secret = secret

    def end(self, reason: SyncError) -> None:
        """It goes on nowhere any more; the first reason stands."""
        self.ended = self.ended or reason

    # --- frames of the session ---------------------------------------------------------------

    def put(self, frame: bytes) -> None:
        """The session sends `frame`."""
        self._unsent.append(frame)
        self._unsent_bytes += len(frame)

    def take(self) -> list[bytes]:
        """What is to be written to `current` next, in order: it is on its way then."""
        if self.current is None or self.moving is not None:
            return []
        taken: list[bytes] = []
        if self.owes_ack or (self._unsent and self._received_bytes >= self._ack_bytes // 2):
            taken.append(self._ack())
        while self._unsent and self._sent_bytes < self._window_bytes:
            frame = self._unsent.popleft()
            self._unsent_bytes -= len(frame)
            self._sent.append(frame)
            self._sent_bytes += len(frame)
            taken.append(frame)
        self._written = max(self._written, self._acknowledged + len(self._sent))
        return taken

    def hear(self, channel: int, data: bytes, *, now_s: float) -> bytes | None:
        """A frame came over `channel`; gives it back where it is the session's.

        Raises `RemoteProtocolError`. Not to be called for `current` while the session is moving.
        """
        if self.ended is not None or channel not in (self.current, self.moving):
            return None
        self._heard_s = now_s
        if channel == self.moving:
            self._hear_answer(data, now_s)
            return None
        assert self.moving is None, "the old channel is not read during a move"
        kind = peek_kind(data)
        if kind is None or kind not in LINK_KINDS:
            self._received += 1
            self._received_bytes += len(data)
            return data
        match decode_link_frame(data):
            case Ack(received=count):
                if count == self._acknowledged:  # an honest one never says it twice
                    self._costly.take(now_s=now_s)
                self._settle(count, self._acknowledged + len(self._sent))
            case other:
                name = type(other).__name__
                raise RemoteProtocolError("out-of-order", f"a {name} came amid a session")
        return None

    def hear_part(self, channel: int, *, now_s: float) -> None:
        """Part of a frame came over `channel`, which is a sign of life."""
        if channel in (self.current, self.moving):
            self._heard_s = now_s

    def took_some(self, *, now_s: float) -> None:
        """The peer, or whoever is on the way, took enough of what was written to count."""
        self._settled_s = max(self._settled_s, now_s)

    # --- moves -------------------------------------------------------------------------------

    def resume_on(self, channel: int, handshake_hash: bytes, *, now_s: float) -> bytes:
        """This side moves the session to `channel`, a new one to the same device.

        The Resume, to be written there at once. Raises `LocalProtocolError` where it cannot.
        """
        if self._secret is None or self.ended is not None:
            raise LocalProtocolError("no-move", "The session cannot be moved.")
        if self.moving is not None:
            raise LocalProtocolError("no-move", "The session is being moved already.")
        self.moving, self._moving_hash = channel, handshake_hash
        self.since_s = self._heard_s = now_s
        proof = self._proof(self._role, Resume, handshake_hash, self._received)
        return encode_frame(Resume(session_id(self._secret), self._received, proof))

    def hear_resume(
        self, channel: int, handshake_hash: bytes, frame: Resume, *, now_s: float
    ) -> bytes:
        """The other side moves the session to `channel`, whose first frame this was.

        The answer, to be written there before anything of `take`. Raises `Refused` where the
        session stays where it is, `RemoteProtocolError` for a lie.
        """
        secret = self._secret
        if secret is None or self.ended is not None or frame.session != session_id(secret):
            raise Refused(UNKNOWN, "No such session goes on here.")
        if frame.proof != self._proof(_other(self._role), Resume, handshake_hash, frame.received):
            raise RemoteProtocolError("link-proof", "a session is resumed by somebody else")
        if self.moving is not None and self._is_smaller:
            raise Refused(BUSY, "The session is being moved from the other side.")
        if frame.received < self._acknowledged:  # it came late: more was told over a channel since
            raise Refused(BUSY, "The session has gone on since.")
        try:
            self._settle(frame.received, self._written)
        except RemoteProtocolError as lie:
            self.end(lie)
            raise
        self._go_on(channel, now_s)
        proof = self._proof(self._role, Resumed, handshake_hash, self._received)
        return encode_frame(Resumed(self._received, proof))

    def lost(self, channel: int, why: SyncError, *, now_s: float) -> None:
        """`channel` is gone. Before `agree`, so is the session."""
        if channel in (self.current, self.moving):
            self.why_lost = why
        if channel == self.current:
            self.current = None
        if channel == self.moving:
            self._stay(now_s)
        if self.current is None and self.moving is None:
            self.since_s = now_s
            if self._secret is None:
                self.end(why)

    def tick(self, *, now_s: float) -> bytes | None:
        """Time passed, about a second; an Ack to be written to `current`, where one is due."""
        if self.ended is not None:
            return None
        if self.moving is not None:
            if now_s - self.since_s >= limits.RESUME_S:
                self._stay(now_s)
        elif self.current is None:
            if now_s - self.since_s >= limits.LINGER_S:
                self.end(PeerLeft(self.why_lost.code, self.why_lost.sentence))
        elif self._is_stuck(now_s):
            self.end(PeerTimeout("unread", "the peer does not read what it is sent"))
        elif now_s - self._heard_s >= limits.DEAD_AFTER_S:
            silent_s = now_s - self._heard_s
            why = PeerTimeout("silent", f"nothing was heard from the peer for {silent_s:.0f} s")
            self.lost(self.current, why, now_s=now_s)
        elif self._told != self._received:
            return self._ack()
        return None

    # --- inside ------------------------------------------------------------------------------

    def _is_stuck(self, now_s: float) -> bool:
        """Nothing more may be sent, and for too long nothing was acknowledged."""
        if self._sent_bytes < self._window_bytes:
            self._settled_s = now_s
        return now_s - self._settled_s >= limits.ANSWER_S

    def _hear_answer(self, data: bytes, now_s: float) -> None:
        """The first frame of the channel to which this side moves."""
        assert self.moving is not None
        if peek_kind(data) == 6:
            self._refused_by(decode_frame(data), now_s)
            return
        match decode_link_frame(data):
            case Resumed(received=count, proof=proof):
                if proof != self._proof(_other(self._role), Resumed, self._moving_hash, count):
                    raise RemoteProtocolError("link-proof", "a session is resumed by somebody else")
                self._settle(count, self._written)
                self._go_on(self.moving, now_s)
            case NotResumed() as said:
                self._refused_by(said, now_s)
            case other:
                name = type(other).__name__
                raise RemoteProtocolError("out-of-order", f"a {name} answered a Resume")

    def _refused_by(self, said: object, now_s: float) -> None:
        self._stay(now_s)
        if self.current is not None:
            return
        match said:
            case frames.Bye(code=code, sentence=sentence, wait_s=wait_s):
                self.end(PeerLeft(code, sentence, wait_s=wait_s))
            case NotResumed(code=code) if code != BUSY:
                self.end(PeerLeft("session-lost", "The other side does not go on with it."))
            case _:
                pass

    def _stay(self, now_s: float) -> None:
        """A move has failed: the old channel goes on, if it is there."""
        self.moving = None
        self.since_s = self._heard_s = now_s

    def _go_on(self, channel: int, now_s: float) -> None:
        """Over `channel` from now on: what is not acknowledged is sent again."""
        self.current, self.moving = channel, None
        self.since_s = self._heard_s = self._settled_s = now_s
        self.moves += 1
        self.resent_bytes += self._sent_bytes
        self._unsent_bytes += self._sent_bytes
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self._sent_bytes = 0
        self._told, self._received_bytes = self._received, 0

    def _settle(self, count: int, most: int) -> None:
        """The other side has `count` frames. Raises `RemoteProtocolError` where it cannot."""
        if not self._acknowledged <= count <= most:
            raise RemoteProtocolError(
                "link-count", f"{count} frames are acknowledged, of {most} that were sent"
            )
        if count > self._acknowledged:
            self._settled_s = self._heard_s
        kept_bytes = self.kept_bytes
        for _ in range(count - self._acknowledged):
            if self._sent:
                self._sent_bytes -= len(self._sent.popleft())
            else:  # sent over an earlier channel, from which they were read after all
                self._unsent_bytes -= len(self._unsent.popleft())
        self._acknowledged = count
        more_bytes = kept_bytes - self.kept_bytes
        self._window_bytes = min(self._window_bytes + more_bytes, limits.KEPT_BYTES_MAX)

    @property
    def _ack_bytes(self) -> int:
        is_grown = self._told_bytes >= limits.KEPT_BYTES_MAX
        return limits.ACK_BYTES_MAX if is_grown else limits.ACK_BYTES

    def _ack(self) -> bytes:
        self._told_bytes += self._received_bytes
        self._told, self._received_bytes = self._received, 0
        return encode_frame(Ack(self._received))

    def _proof(
        self, role: Role, kind: type[LinkFrame], handshake_hash: bytes, received: int
    ) -> bytes:
        assert self._secret is not None
        tag = kind.__struct_config__.tag
        assert isinstance(tag, int)
        return proof_of(self._secret, role, tag, handshake_hash, received)


def decode_link_frame(data: bytes) -> LinkFrame | None:
    """As `frames.decode_frame`, of the frames of a link; raises `RemoteProtocolError`."""
    return cast("LinkFrame | None", decode_one_of(data, BY_KIND))


def _other(role: Role) -> Role:
    return Role.RESPONDER if role is Role.INITIATOR else Role.INITIATOR
