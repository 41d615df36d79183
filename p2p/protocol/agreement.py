"""What two peers may read of one another, and what both of them want of that.

    Hello, Overlap    salted names ──> which private namespaces both know
    Present           capabilities for those ──> what the other side may read
    Interests         what one wants of what both may read ──> the areas in common

Each may come again while the session runs, when a side joins or leaves a namespace or is given a
capability: a later one takes the place of the earlier, and each side answers what changes for it.
"""

from crdt.area import Area
from crdt.capability import Capability
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from p2p.protocol import frames, greeting
from p2p.protocol.config import Channel, Cut, SessionConfig
from p2p.protocol.grants import (
    AUTHORITY_PATH,
    Claim,
    Grants,
    intersect,
    read_interests,
    with_authority,
    write_interests,
)
from p2p.protocol.outbox import Outbox


class Agreement:
    """Both sides' claims, as far as they are known."""

    def __init__(self, config: SessionConfig, channel: Channel, outbox: Outbox) -> None:
        self.readable = Grants(())  # what the peer may read
        self.own = Grants()  # what the peer lets us read
        self.common: tuple[Claim, ...] = ()
        self.is_changed = False  # what we are and want: the peer is to be told
        self._config = config
        self._channel = channel
        self._outbox = outbox
        self._held = greeting.open_held(config.read_capabilities, config.cache)
        self._challenge = b""  # the peer's
        self._overlap: tuple[bytes, ...] = ()  # the peer's salted names
        self._shown: tuple[Capability, ...] = ()  # by the peer: what it may read
        self._expelled: set[NamespaceKey] = set()  # where nothing of what was shown holds
        self._wanted: tuple[Claim, ...] = ()  # by the peer
        self._told_names: tuple[bytes, ...] = ()
        self._told_interests: frames.Interests | None = None

    @property
    def shared(self) -> frozenset[NamespaceKey]:
        """The namespaces of the areas in common, without those that the peer was expelled from."""
        return frozenset(namespace for namespace, _ in self.common) - self._expelled

    def names(self) -> tuple[bytes, ...]:
        """Our private namespaces, as only those who know them read it."""
        self._told_names = greeting.salted_names(
            self._namespaces,
            self._config.device,
            handshake_hash=self._channel.handshake_hash,
        )
        return self._told_names

    def meet(self, hello: frames.Hello) -> None:
        """The peer's Hello, which was checked."""
        self._challenge, self._overlap = hello.challenge, hello.overlap
        self._show()

    def hear_overlap(self, frame: frames.Overlap) -> None:
        """The peer knows other namespaces than before."""
        self._overlap = frame.names
        self._show()
        self._tell_interests()
        self._find_common()

    def hear_present(self, frame: frames.Present, challenge: bytes) -> None:
        """Raises `RemoteProtocolError` where a capability is not valid, or not the peer's."""
        self._shown = greeting.check_present(
            frame,
            self._channel.device,
            handshake_hash=self._channel.handshake_hash,
            challenge=challenge,
            cache=self._config.cache,
        )
        self._find_readable()
        self._tell_interests(is_due=True)
        self._find_common()

    def hear_interests(self, frame: frames.Interests) -> None:
        """Raises `RemoteProtocolError` where it names no area."""
        self._wanted = read_interests(frame)
        self._find_common()

    def reconfigure(self, config: SessionConfig) -> None:
        """Raises `CrdtError` where a capability of ours is not valid."""
        self._held = greeting.open_held(config.read_capabilities, config.cache)
        self._config = config
        self.is_changed = True

    def tell_change(self) -> None:
        """The peer hears what changed here since it heard last."""
        self.is_changed = False
        before = self._told_names
        if (names := self.names()) != before:
            self._outbox.send(frames.Overlap(names))
        self._show()
        self._tell_interests(is_due=True)
        self._find_common()

    @property
    def _namespaces(self) -> frozenset[NamespaceKey]:
        """The private ones that we take part in."""
        wanted = {namespace for namespace, _ in self._config.interests}
        return frozenset(wanted | {one.capability.namespace for one in self._held}) - {COMMONS}

    @property
    def _known(self) -> frozenset[NamespaceKey]:
        """Those of them that the peer has proven to know."""
        return greeting.known_to(
            self._namespaces,
            self._overlap,
            handshake_hash=self._channel.handshake_hash,
            peer=self._channel.device,
        )

    def _show(self) -> None:
        present, claims = greeting.present(
            self._held,
            self._config.device,
            handshake_hash=self._channel.handshake_hash,
            challenge=self._challenge,
            known=self._known,
        )
        self.own = Grants((*greeting.open_to_all(self._known), *with_authority(claims)))
        self._find_readable()
        self._outbox.send(present)

    def _find_readable(self) -> None:
        """What we both know to be open, and what the peer has shown and nobody took back.

        Whose right was taken back still reads who said so, and when: else they would go on showing
        what nobody shows any more, and never hear of it.
        """
        ours = self._namespaces
        shown: list[Claim] = []
        told: list[Claim] = []
        for right in self._shown:
            if right.namespace not in ours:
                continue
            cuts = self._cuts_on(right)
            if cuts:  # one of them is enough to know
                told.append(what_is_told_of(min(cuts, key=_when_and_by_whom)))
            else:
                shown.append(greeting.claim_of(right))
        self._expelled = {namespace for namespace, _ in told} - {one for one, _ in shown}
        self.readable = Grants((*greeting.open_to_all(self._known), *with_authority(shown), *told))

    def _cuts_on(self, right: Capability) -> list[Cut]:
        return [
            cut
            for cut in self._config.cuts
            if cut.namespace == right.namespace and cut.revocation.ends(right)
        ]

    def _tell_interests(self, *, is_due: bool = False) -> None:
        """A private namespace is named only to a peer that has shown that it may read there."""
        wanted = intersect(self._config.interests, self.readable.claims)
        interests = write_interests(intersect(wanted, self.own.claims))
        if is_due or interests != self._told_interests:
            self._told_interests = interests
            self._outbox.send(interests)

    def _find_common(self) -> None:
        """What both want, of what both may read."""
        theirs = intersect(self._wanted, self.readable.claims)
        ours = intersect(self._config.interests, self.own.claims)
        self.common = intersect(ours, theirs)


def what_is_told_of(cut: Cut) -> Claim:
    """All that its issuer had said until then."""
    revocation = cut.revocation
    area = Area(AuthorKey(revocation.issuer), AUTHORITY_PATH, 0, cut.said_at + 1)
    return cut.namespace, area


def _when_and_by_whom(cut: Cut) -> tuple[int, bytes]:
    return cut.said_at, cut.revocation.issuer
