"""Who answers for what is written: by what claim an entry asks for room, from its capability alone.

chain of a right    owner ─▸ … ─▸ writer ─▸ device
                          └▸ guest ─▸ anybody the guest hands the right on to ─▸ …

Keys are free, but a signature of the owner is not: whatever comes through one guest is that
guest's, however many keys it came through afterwards.
"""

from enum import Enum

from crdt.capability import Capability
from crdt.change import DocumentId
from crdt.keys import is_communal
from crdt.path import AUTHORITY

CLASS_DEPTH = 1  # a device is given a class of paths each; whoever is let in, a record or a kind


class Claim(Enum):
    """What room an entry has a claim to."""

    FOLLOWED = "followed"  # written by somebody who is followed: all that there is
    GUEST = "guest"  # in the records of such a one, who let the writer in: what one guest may have
    STRANGER = "stranger"  # what is left of a budget


def writer_of(right: Capability) -> bytes:
    """The author who wrote by this right: who gave it to the device, or whose own key signs.

    A right handed on whole, to one key, looks as that of a device does: its giver is then
    taken at their word that the key is as good as theirs.
    """
    if not right.delegations:
        return right.receiver
    giver, given = right.chain[-2], right.granted_area
    before = right.delegations[-2].area if len(right.delegations) > 1 else right.first_area
    is_whole = given.subspace in (before.subspace, giver)
    is_whole &= len(given.path) <= max(CLASS_DEPTH, len(before.path))
    is_whole &= (given.start, given.end) == (before.start, before.end)
    return giver if is_whole else right.receiver


def hands_of(right: Capability) -> set[bytes]:
    """The keys of whoever wrote by this right: of the author, and of the device."""
    return {writer_of(right), right.receiver}


def guest_of(document: DocumentId, right: Capability) -> bytes:
    """The key that the subspace's owner let in, where the right came on from there; else empty."""
    owner, chain = bytes(document.subspace), right.chain
    if owner not in chain or owner in (writer_of(right), right.receiver):
        return b""
    return chain[chain.index(owner) + 1]


def claim_of(document: DocumentId, right: Capability, followed: frozenset[bytes]) -> Claim:
    """By whom it was written, as far as this node knows anybody.

    In a communal namespace whoever is followed has room in everybody's records. In an owned one
    only in their own: there the chain of every member goes through who let them in, and an
    administrator writes anywhere. What its own key says is the namespace's word.
    """
    hands, owner = hands_of(right), bytes(document.subspace)
    if is_communal(document.namespace):
        is_followed = not hands.isdisjoint(followed)
    elif document.cls == AUTHORITY and owner == document.namespace:
        is_followed = True
    else:
        is_followed = owner in hands and owner in followed
    if is_followed:
        return Claim.FOLLOWED
    return Claim.GUEST if owner in followed and guest_of(document, right) else Claim.STRANGER
