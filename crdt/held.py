"""What is judged, and by what: the entries of a document, revocations, checkpoints, the verdict.

The words of `crdt.authority` (documents) and `crdt.in_force` (statements), which decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from crdt.area import Area
from crdt.capability import Capability
from crdt.change import CheckedEntry
from crdt.statement import EVERYTHING


class Reason(StrEnum):
    """Why a change that is held does not count."""

    MISSING_DEPENDENCY = "missing-dependency"  # waits for a change or entry that is not here
    UNKNOWN_AUTHORITY = "unknown-authority"  # waits for an authority record that is not here
    REVOKED = "revoked"
    LOST_BRANCH = "lost-branch"
    EXCLUDED_DEPENDENCY = "excluded-dependency"
    BROKEN_CHAIN = "broken-chain"  # entry, seq or operation counters continue nothing it builds on
    OVER_LIMIT = "over-limit"  # the document is full; another epoch goes on
    REPEATED = "repeated"  # another entry carries the same change, and counts
    BACKDATED = "backdated"  # its right had ended before a checkpoint that does not know it


WAITING = frozenset({Reason.MISSING_DEPENDENCY, Reason.UNKNOWN_AUTHORITY})


@dataclass(frozen=True, slots=True)
class Held:
    """What there is to know of one stored entry. `change` and `dependencies` are change hashes.

    `chain`: the keys its authority came through, the first owner first, its device last.
    `prev`: the id of its device's entry before it in the document, None exactly where seq is 1.
    `until`: when its right ends, in the time of entries; None for never.
    """

    change: bytes
    device: bytes
    seq: int
    start_op: int
    max_op: int
    dependencies: tuple[bytes, ...]
    payload_digest: bytes
    chain: tuple[bytes, ...]
    prev: bytes | None = None
    auth_heads: tuple[bytes, ...] = ()
    until: int | None = None

    @classmethod
    def of(cls, checked: CheckedEntry) -> "Held":
        """What is to be kept of an entry that passed the door."""
        change = checked.change
        return cls(
            change.hash,
            checked.device,
            checked.seq,
            change.start_op,
            change.max_op,
            change.dependencies,
            checked.signed.entry.payload_digest,
            checked.capability.chain,
            checked.prev,
            checked.auth_heads,
            checked.capability.granted_area.end,
        )

    def follows(self, before: "Held") -> bool:
        """Whether `before` is what `prev` may name: the same device's last act, and built on."""
        return (
            before.device == self.device
            and before.seq == self.seq - 1
            and before.change in self.dependencies
        )


@dataclass(frozen=True, slots=True)
class Revocation:
    """`issuer` takes back what it gave to `key`, directly or not; what is under the frontier stays.

    `frontier`: the heads of this one document, empty where the revocation does not name it.
    """

    issuer: bytes
    key: bytes
    frontier: frozenset[bytes] = frozenset()
    area: Area = EVERYTHING
    """Where it holds: of subspace and path."""

    def hits(self, chain: tuple[bytes, ...]) -> bool:
        """Whether this authority came from the issuer through the key."""
        return self.issuer in chain and self.key in chain[chain.index(self.issuer) + 1 :]

    def ends(self, right: Capability) -> bool:
        """Whether nothing of this right is left: the area has all of it, at whatever time."""
        place = Area(right.granted_area.subspace, right.granted_area.path)
        return self.hits(right.chain) and self.area.includes(place)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Heads of this document that a device of the owner had seen. Its own validity is checked.

    `at`: when, in the time of entries. `heads` is empty where it knew nothing of the document.
    """

    heads: frozenset[bytes]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Validity:
    """The verdict. `valid` and `excluded` hold the keys of the entries; all others are hashes."""

    valid: tuple[bytes, ...]  # parents first, the same order on every node
    excluded: Mapping[bytes, Reason]
    missing: frozenset[bytes]  # changes that others build on and nobody brought yet
    incomplete: frozenset[bytes]  # frontier heads not here: until they are, the cut is too low
    ops: int  # of all valid changes

    @property
    def waiting(self) -> int:
        """How many may still count once more is here."""
        return sum(reason in WAITING for reason in self.excluded.values())
