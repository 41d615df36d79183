"""With which capability this node writes: its own of commons, or the one that the wallet holds."""

from collections.abc import Callable
from dataclasses import dataclass

from crdt.area import Area
from crdt.capability import WRITE, decode_capability
from crdt.change import DocumentId, Signer
from crdt.did import encode_did_key
from crdt.entry import tai_from_unix_us
from crdt.keys import COMMONS
from crdt.path import shown
from node.errors import NotAllowed
from node.identity import Identity
from storage.namespaces import HeldCapability
from storage.store import Store


@dataclass(frozen=True, slots=True)
class Signers:
    """The device's hand for each document."""

    identity: Identity
    store: Store
    clock_us: Callable[[], int]

    async def for_document(self, document: DocumentId) -> Signer:
        """Who signs changes of `document`, in all of its epochs.

        Raises `NotAllowed`: `no-capability` where this device may not write there now, `revoked`
        where it could until somebody took that back.
        """
        identity = self.identity
        if document.namespace == COMMONS and document.subspace == identity.author:
            own = identity.capabilities.get(document.cls)
            if own and await self.store.is_cut(decode_capability(own)):
                raise NotAllowed(REMOVED, code="revoked")
            return identity.signer
        device = identity.device.public
        held = await self.store.capabilities_held(document.namespace, receiver=device, mode=WRITE)
        moment = tai_from_unix_us(self.clock_us())
        reaching = [one for one in held if _reaches(one, document, moment)]
        for one in reaching:
            if not await self.store.is_cut(one.capability):
                return Signer(identity.device, identity.author, {document.cls: one.encoded})
        if reaching:
            raise NotAllowed(await self._revoked(document), code="revoked")
        raise NotAllowed(_missing(document, held, moment), code="no-capability")

    async def _revoked(self, document: DocumentId) -> str:
        ended = await self.store.ended_by(self.identity.author)
        device, namespace = self.identity.device.public, document.namespace
        if any(one.namespace == namespace and one.key == device for one in ended):
            return REMOVED
        return (
            f"{_where(document)}: what this node was given there was taken back. Ask whoever gave"
            " it; `panspermia cap explain` says who could write there"
        )


REMOVED = (
    "This device was removed by its author, and what it writes counts nowhere. Start with a new"
    " --home, and add that one from another device of the author's: panspermia device add"
)


def area_of(document: DocumentId) -> tuple[bytes, ...]:
    """The path under which all epochs of a record lie."""
    return (document.cls.encode(), document.kind.encode(), document.record)


def _reaches(held: HeldCapability, document: DocumentId, moment: int) -> bool:
    """Whether it allows a change signed at `moment` (µs TAI since J2000)."""
    wanted = Area(document.subspace, area_of(document), moment, moment + 1)
    return held.capability.granted_area.includes(wanted)


def _missing(document: DocumentId, held: list[HeldCapability], moment: int) -> str:
    """What nobody gave this device, or gave no longer."""
    wanted = Area(document.subspace, area_of(document))
    timeless = [Area(one.subspace, one.path) for one in map(_granted, held)]
    if not held:
        why = "it holds no capability to write there at all"
    elif any(area.includes(wanted) for area in timeless):
        ended = any(area.end is not None and area.end <= moment for area in map(_granted, held))
        why = "its capability has expired" if ended else "its capability is not in force yet"
    else:
        why = "the capabilities it holds are for other places"
    return (
        f"This device may not write {_where(document)}: {why}. Whoever owns the namespace, or may"
        " write there, can give it one."
    )


def _where(document: DocumentId) -> str:
    namespace = "commons" if document.namespace == COMMONS else encode_did_key(document.namespace)
    place = f"{shown(area_of(document))} of {encode_did_key(document.subspace)}"
    return f"{place} in the namespace {namespace}"


def _granted(held: HeldCapability) -> Area:
    return held.capability.granted_area
