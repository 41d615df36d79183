"""Which areas two peers have in common: what both want, of what both may read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from crdt.area import Area, encode_area_in_area, read_area_in_area
from crdt.encoding import Reader
from crdt.entry import Entry
from crdt.errors import CrdtError
from crdt.keys import COMMONS, NamespaceKey
from p2p.protocol import frames
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.limits import INTERESTS_MAX

Claim: TypeAlias = tuple[NamespaceKey, Area]

FULL = Area()
# Areas of which the widest are found, in quadratic time: honest peers have a few in common.
MEETINGS_MAX = 2 * INTERESTS_MAX
PUBLIC: tuple[Claim, ...] = ((COMMONS, FULL),)  # anybody may read it
AUTHORITY_PATH = (b"_auth",)


@dataclass(frozen=True, slots=True)
class Grants:
    """What somebody may read: the public namespaces, and what capabilities showed."""

    claims: tuple[Claim, ...] = PUBLIC

    def include(self, namespace: NamespaceKey, area: Area) -> bool:
        return any(of == namespace and granted.includes(area) for of, granted in self.claims)

    def include_any(self, namespace: NamespaceKey) -> bool:
        """Whether anything of it may be read."""
        return any(of == namespace for of, _ in self.claims)

    def include_entry(self, namespace: NamespaceKey, entry: Entry) -> bool:
        return any(of == namespace and granted.includes_entry(entry) for of, granted in self.claims)


def ever(before: Grants, now: Grants) -> Grants:
    """What was granted at some time, as far as a session remembers: the latest claims."""
    claims = tuple(dict.fromkeys((*before.claims, *now.claims)))
    return Grants(claims[-2 * INTERESTS_MAX :])


def intersect(left: Iterable[Claim], right: Sequence[Claim]) -> tuple[Claim, ...]:
    """Every non-empty meeting of two areas of one namespace, none inside another.

    At most `INTERESTS_MAX`; what is beyond is not compared. Both sides find the same
    areas in the same order whichever of them is `left`.
    """
    widest = reduce(right)
    met = {
        (namespace, common)
        for namespace, area in reduce(left)
        for other, wanted in widest
        if namespace == other and (common := area.intersection(wanted)) is not None
    }
    return reduce(sorted(met, key=_sort_key)[:MEETINGS_MAX])[:INTERESTS_MAX]


def reduce(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """The same areas without those that lie inside another, in one fixed order."""
    different = set(claims)
    if len(different) < 2:  # the usual case, asked dozens of times a session
        return tuple(different)
    all_of_them = sorted(different, key=_sort_key)
    return tuple(
        (namespace, area)
        for namespace, area in all_of_them
        if not any(
            of == namespace and other != area and other.includes(area) for of, other in all_of_them
        )
    )


def _sort_key(claim: Claim) -> tuple[bytes, bytes]:
    return claim[0], encode_area(claim[1])


def with_authority(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """These areas, and what judges them: who may read any part of a namespace reads its `/_auth`.

    Without it a reader of one record would go on showing what was revoked.
    """
    given = tuple(claims)
    logs = (
        (namespace, Area(path=AUTHORITY_PATH)) for namespace in sorted({one[0] for one in given})
    )
    return (*given, *logs)


def authority_part(area: Area) -> Area | None:
    """The part of `area` that holds authority records, which go before all others."""
    return area.intersection(Area(path=AUTHORITY_PATH))


def encode_area(area: Area) -> bytes:
    """An area as frames carry it: relative to the full area."""
    return encode_area_in_area(area, FULL)


def decode_area(data: bytes) -> Area:
    """Raises `RemoteProtocolError` where the bytes are not the one encoding of an area."""
    try:
        reader = Reader(data)
        area = read_area_in_area(reader, FULL)
    except CrdtError as error:
        raise RemoteProtocolError("area", f"an area is wrong: {error.detail}") from error
    if reader.at != len(data) or encode_area(area) != data:
        raise RemoteProtocolError("area", "an area is not in its one encoding")
    return area


def read_interests(interests: frames.Interests) -> tuple[Claim, ...]:
    """What the peer wants. Raises `RemoteProtocolError`."""
    return tuple(
        (NamespaceKey(interest.namespace), decode_area(interest.area))
        for interest in interests.areas
    )


def write_interests(claims: Iterable[Claim]) -> frames.Interests:
    return frames.Interests(
        tuple(frames.Interest(namespace, encode_area(area)) for namespace, area in claims)
    )
