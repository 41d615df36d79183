"""The attacks that have a name: each at the door of entries, and at that of a session.

The rules are tested where they are made; here is what a hostile peer gets for trying.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crdt import cbor
from crdt.area import Area
from crdt.capability import (
    CAPABILITY_BYTES_MAX,
    READ,
    WRITE,
    Capability,
    CapabilityCache,
    Delegation,
    capability_digest,
    delegate,
    encode_capability,
    handover,
    own,
)
from crdt.change import PAYLOAD_BYTES_MAX, SignedEntry, check_entry, decode_signed
from crdt.digest import PARAMETERS
from crdt.ed25519 import SigningKey
from crdt.entry import ENTRY_BYTES_MAX, decode_entry, encode_entry
from crdt.errors import CrdtError, Malformed
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.path import shown
from crdt.preflight import check_sync
from p2p.protocol import frames
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Present, Presented, decode_frame, encode_frame
from p2p.protocol.grants import encode_area
from p2p.protocol.greeting import PRESENT_PREFIX
from p2p.protocol.handshake import PAYLOAD_VERSION, check_payload
from p2p.protocol.states import State
from registry.errors import MalformedRecord
from registry.module import module_name_of
from storage.store import open_store
from tests.crdt import bombs
from tests.crdt.test_change import ALICE as ALICES_ROOT
from tests.crdt.test_change import ALICES, LAPTOP, NOW, envelope, forged, raw_of
from tests.fuzz.targets import BY_NAME
from tests.p2p.protocol.conversation import (
    ALICES_CHALLENGE,
    HANDSHAKE_HASH,
    Line,
    bobs_hello,
    owned_namespace,
)
from tests.simulation.people import ALICE, BOB, person
from tests.storage.people import NOW_US, project

CAROL, MALLORY = person("carol"), person("mallory")
GARDEN = owned_namespace("garden")
ROOT = Capability(WRITE, COMMONS, ALICES_ROOT.public)
HERS = Area(ALICES)

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
IDENTITY = b"\1" + bytes(31)
SMALL_ORDER = [IDENTITY, bytes(32), (P - 1).to_bytes(32, "little"), IDENTITY[:31] + b"\x80"]
NOT_CANONICAL = [(P + n).to_bytes(32, "little") for n in (0, 1, 3, 18)]


def refused(signed: SignedEntry) -> str:
    """Why the door of entries does not take it."""
    with pytest.raises(CrdtError) as refusal:
        check_entry(signed, CapabilityCache())
    return refusal.value.code


def by_device(device: bytes, signature: bytes) -> SignedEntry:
    """Alice delegated to this key; the entry is signed by whoever can."""
    capability = encode_capability(delegate(ROOT, ALICES_ROOT, HERS, device))
    signed = forged(
        envelope(raw_of()),
        path=lambda path: replace(path, device=DeviceKey(device)),
        capability=capability,
    )
    return replace(signed, signature=signature)


def under(capability: Capability) -> SignedEntry:
    """An honest change of the laptop, under whatever capability."""
    return forged(envelope(raw_of()), capability=encode_capability(capability))


def shows(encoded: bytes) -> str:
    """Why Alice's session ends when Bob shows this capability to read; empty where it does not."""
    message = PRESENT_PREFIX + HANDSHAKE_HASH + ALICES_CHALLENGE + capability_digest(encoded)
    line = Line(State.PRESENTING)
    line.say(Present((Presented(encoded, BOB.device.sign(message)),)))
    return line.fault


def greets(encoded: bytes) -> str:
    """Why Alice's session ends when Bob says Hello with this capability."""
    line = Line(State.GREETING)
    line.say(bobs_hello(capability=encoded))
    return line.fault


def readable(*receivers: bytes, area: Area | None = None) -> Capability:
    """To read the garden, handed on by the gardener."""
    capability = own(GARDEN, READ, GARDEN.public)
    for receiver in receivers:
        capability = delegate(capability, GARDEN, area or Area(), receiver)
    return capability


def with_s_plus_l(signature: bytes) -> bytes:
    s = int.from_bytes(signature[32:], "little") + L
    return signature[:32] + s.to_bytes(32, "little")


# ── keys and signatures ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("key", SMALL_ORDER, ids=bytes.hex)
def test_a_key_of_small_order_writes_nothing(key: bytes) -> None:
    """Under OpenSSL, this one signature of such a key holds for every message."""
    for nonce in (IDENTITY, key):
        assert refused(by_device(key, nonce + bytes(32))) == "bad-signature"
    handed_on = delegate(ROOT, ALICES_ROOT, HERS, key)
    stolen = Delegation(HERS, LAPTOP.public, IDENTITY + bytes(32))
    stolen_by = replace(handed_on, delegations=(*handed_on.delegations, stolen))
    assert refused(under(stolen_by)) == "bad-delegation"


@pytest.mark.parametrize("key", SMALL_ORDER, ids=bytes.hex)
def test_a_key_of_small_order_is_no_peer(key: bytes) -> None:
    """Neither at the end of a channel, nor as the giver of what a peer shows."""
    payload = cbor.encode([PAYLOAD_VERSION, PARAMETERS, key, IDENTITY + bytes(32)])
    with pytest.raises(RemoteProtocolError) as fault:
        check_payload(payload, bytes(32))
    assert fault.value.code == "handshake-signature"
    stolen = Delegation(Area(), BOB.device_key, IDENTITY + bytes(32))
    given = readable(key)
    capability = replace(given, delegations=(*given.delegations, stolen))
    assert shows(encode_capability(capability)) == "bad-delegation"


@pytest.mark.parametrize("key", NOT_CANONICAL, ids=bytes.hex)
def test_a_key_that_is_not_canonical_writes_nothing(key: bytes) -> None:
    """A second spelling of another key: two nodes could differ over who wrote."""
    assert refused(by_device(key, IDENTITY + bytes(32))) == "bad-signature"
    good = forged(envelope(raw_of()))
    assert refused(replace(good, signature=key + good.signature[32:])) == "bad-signature"


def test_a_signature_with_s_of_l_or_more_is_refused() -> None:
    good = forged(envelope(raw_of()))
    check_entry(good, CapabilityCache())
    assert refused(replace(good, signature=with_s_plus_l(good.signature))) == "bad-signature"
    given = delegate(ROOT, ALICES_ROOT, HERS, LAPTOP.public)
    (link,) = given.delegations
    other = replace(link, signature=with_s_plus_l(link.signature))
    assert refused(under(replace(given, delegations=(other,)))) == "bad-delegation"


def test_a_session_takes_no_signature_with_s_of_l_or_more() -> None:
    given = readable(BOB.device_key)
    (link,) = given.delegations
    other = replace(link, signature=with_s_plus_l(link.signature))
    assert shows(encode_capability(given)) == ""
    assert shows(encode_capability(replace(given, delegations=(other,)))) == "bad-delegation"


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────


def test_an_entry_of_any_oversize_part_is_refused() -> None:
    good = forged(envelope(raw_of()))
    assert refused(forged(bytes(PAYLOAD_BYTES_MAX + 1))) == "payload-too-long"
    assert refused(replace(good, capability=bytes(CAPABILITY_BYTES_MAX + 1))) == "token-size"
    assert refused(replace(good, signature=bytes(65))) == "token-size"
    longest = (1 << 64) - 1
    claims = replace(good, entry=replace(good.entry, payload_length=longest))
    assert refused(claims) == "payload-length"
    with pytest.raises(Malformed, match="entry-too-long"):
        decode_entry(bytes(ENTRY_BYTES_MAX + 1))
    keys = encode_entry(good.entry)[:64]
    for claim in ("fc 1001 00", "ff" + "ff" * 16, "0f" + "ff" * 8, "cc ff 02 ff" + "ff" * 8):
        with pytest.raises(Malformed):
            decode_entry(keys + bytes.fromhex(claim))
    with pytest.raises(Malformed, match="cbor-truncated"):
        decode_signed(bytes.fromhex("84 5b ffffffffffffffff"))


def test_a_session_takes_no_oversize_length() -> None:
    """Each is refused before anything is read, copied or asked for."""
    for data, code in (
        (bytes(frames.FRAME_BYTES_MAX + 1), "frame-bytes"),
        (bytes.fromhex("82 1818 5b ffffffffffffffff"), "frame-bytes"),
        (bytes.fromhex("9b ffffffffffffffff"), "frame-bytes"),
    ):
        line = Line(State.OPEN)
        line.say(data)
        assert line.fault == code
    assert greets(bytes(CAPABILITY_BYTES_MAX + 1)) == "frame-shape"
    line = Line(State.OPEN)
    entry = frames.SentEntry(0, bytes((16 << 10) + 1), bytes(64), b"")
    line.say(encode_frame(frames.Entries(1, (b"",), (entry,), b"")))
    assert line.fault == "frame-shape"


def test_a_deflate_bomb_is_refused_for_the_price_of_its_own_bytes() -> None:
    """An entry may carry nothing deflated; of a file, no more is inflated than the limit."""
    for bomb in (bombs.deflated(20 << 20), bombs.deflated_columns(8, 4 << 20)):
        signed = forged(envelope(bomb, hash=bytes(32)))
        assert refused(signed) in ("not-a-change", "bad-automerge")
        assert not BY_NAME["envelope"].measure(b"\1" + signed.payload)
        assert not BY_NAME["automerge-file"].measure(b"\0" + bomb)
    for bomb in (bombs.sync(bombs.deflated(50 << 20)), bombs.messages()["64 deflated columns"]):
        with pytest.raises(Malformed, match="automerge-limit"):
            check_sync(bomb)
        assert not BY_NAME["sync-message"].measure(bomb)


# ── paths ────────────────────────────────────────────────────────────────────────────────────────

HOSTILE_RECORDS = [
    b"../../../../tmp/evil",
    b"..",
    b"/etc/passwd",
    b"a\0b",
    "harmless\u202egpj.exe".encode(),
    "\u2066\u200b\ufeff".encode(),
    b"\x1b[2J\x07",
    b"\xff\xfe",
    b"C:\\nul",
]


@pytest.mark.parametrize("record", HOSTILE_RECORDS)
async def test_a_hostile_path_component_is_shown_escaped_and_never_a_file_name(
    record: bytes, tmp_path: Path
) -> None:
    """Any bytes may name a record, and that is all that they are."""
    signed = forged(envelope(raw_of()), path=lambda path: replace(path, record=record))
    checked = check_entry(signed, CapabilityCache())
    assert checked.document.record == record

    text = shown(signed.entry.path)
    assert text.isprintable()
    assert text.count("/") == 6
    assert not {".", ".."} & set(text.split("/"))
    with pytest.raises(MalformedRecord) as refusal:
        module_name_of(checked.document)
    assert str(refusal.value).isprintable()

    home = tmp_path / "deep" / "home"
    home.mkdir(parents=True)
    async with open_store(
        home / "panspermia.db", project=project, clock_us=lambda: NOW_US
    ) as store:
        received = await store.receive([signed], source="mallory")
        assert len(received.added) == 1
    ours = ("panspermia.db", "snapshots.db")
    assert all(name.startswith(ours) for name in files_under(tmp_path))


def files_under(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("component", [b"..", "\u202epub".encode(), b"pub\0", b"PUB", b""])
def test_a_hostile_class_or_kind_is_refused(place: int, component: bytes) -> None:
    good = forged(envelope(raw_of()))
    path = (*good.entry.path[:place], component, *good.entry.path[place + 1 :])
    entry = replace(good.entry, path=path)
    signed = replace(good, entry=entry, signature=LAPTOP.sign(encode_entry(entry)))
    assert refused(signed) == ("path-class", "path-kind")[place]


# ── capabilities ─────────────────────────────────────────────────────────────────────────────────


def test_a_capability_for_another_key_writes_nothing() -> None:
    """Mallory's device may, the laptop uses it; and the other way round."""
    mallorys = delegate(ROOT, ALICES_ROOT, HERS, MALLORY.device_key)
    assert refused(under(mallorys)) == "wrong-device"
    replayed = forged(envelope(raw_of()), device=MALLORY.device)
    assert refused(replayed) == "wrong-device"


def test_a_capability_for_another_key_opens_no_session() -> None:
    assert shows(encode_capability(readable(CAROL.device_key))) == "present-receiver"
    carols = Capability(WRITE, COMMONS, BOB.author)
    for_carol = delegate(carols, BOB.root, Area(BOB.author, (b"pub",)), CAROL.device_key)
    assert greets(encode_capability(for_carol)) == "hello-device"


def test_an_expired_area_writes_nothing_later() -> None:
    """The end is the first moment that is too late."""
    until = delegate(ROOT, ALICES_ROOT, Area(ALICES, end=NOW), LAPTOP.public)
    assert refused(under(until)) == "outside-area"
    check_entry(under(delegate(ROOT, ALICES_ROOT, Area(ALICES, end=NOW + 1), LAPTOP.public)),
                CapabilityCache())  # fmt: skip


def test_an_expired_area_opens_nothing_later() -> None:
    """Bob shows that he might read the first days; he cannot compare what came after."""
    assert compares(Area(end=1_000), Area(end=1_000)) == ""
    assert compares(Area(end=1_000), Area(start=1_000)) == "reconcile-area"
    assert compares(Area(end=1_000), Area()) == "reconcile-area"


def compares(granted: Area, asked: Area, namespace: bytes = GARDEN.public) -> str:
    """Bob, who may read so much of the garden, wants to compare."""
    encoded = encode_capability(readable(BOB.device_key, area=granted))
    message = PRESENT_PREFIX + HANDSHAKE_HASH + ALICES_CHALLENGE + capability_digest(encoded)
    interests = ((COMMONS, Area()), (NamespaceKey(GARDEN.public), Area()))
    line = Line(State.PRESENTING, config=ALICE.config(interests=interests))
    line.say(Present((Presented(encoded, BOB.device.sign(message)),)), frames.Interests(()))
    assert line.session.state is State.OPEN
    items = (frames.Summary(None, 0, bytes(16)),)
    line.say(frames.Reconcile(0, namespace, encode_area(asked), items))
    return line.fault


def test_a_capability_for_another_namespace_writes_nothing() -> None:
    """By the letter of Meadowcap, the owner of any namespace could write into every other one."""
    whole = own(GARDEN, WRITE, GARDEN.public)
    assert refused(under(delegate(whole, GARDEN, Area(), LAPTOP.public))) == "wrong-namespace"


def test_a_capability_for_another_namespace_opens_nothing() -> None:
    orchard = owned_namespace("orchard")
    assert compares(Area(), Area()) == ""
    assert compares(Area(), Area(), namespace=orchard.public) == "reconcile-area"


WIDER: Sequence[tuple[Area, Area, str]] = [
    (Area(ALICES, (b"pub", b"mod", b"a")), Area(ALICES, (b"pub", b"mod")), "area-subspace"),
    (Area(ALICES, (b"pub", b"a")), Area(None, (b"rate",)), "outside-area"),
    (Area(ALICES, end=9), Area(None, end=10), "area-not-included"),
    (Area(ALICES, end=9), Area(None), "area-times"),
    (Area(ALICES), Area(AuthorKey(MALLORY.author)), "area-subspace"),
]


@pytest.mark.parametrize(("held", "taken", "code"), WIDER)
def test_a_delegation_wider_than_its_parent_is_refused(held: Area, taken: Area, code: str) -> None:
    """Mallory holds `held`, and signs `taken` over to the laptop as if it were hers.

    A path is written relative to the parent's, so none can be wider: `rate` becomes `pub/a/rate`.
    """
    parent = delegate(ROOT, ALICES_ROOT, held, MALLORY.device_key)
    widened = signed_over(parent, taken, MALLORY.device, LAPTOP.public)
    assert refused(forged(envelope(raw_of()), capability=widened)) == code


def signed_over(parent: Capability, area: Area, giver: SigningKey, user: bytes) -> bytes:
    """What only a program of Mallory's own writes: the wider area, relative to the full one."""
    link = encode_area(area)
    assert parent.delegations
    signature = giver.sign(link + parent.delegations[-1].signature + user)
    encoded = encode_capability(parent)
    return bytes([encoded[0] + 1]) + encoded[1:] + link + user + signature


def test_a_delegation_that_lasts_longer_than_its_parent_is_refused() -> None:
    """In bytes, only a later end can say so; the door and the session hear it alike."""
    area = Area(ALICES, (b"pub",), 10, 1_000)
    link = b"\x31" + b"\0" + (1_000).to_bytes(2, "big") + b"\0"  # from 10 until 1,010
    parent = delegate(ROOT, ALICES_ROOT, area, MALLORY.device_key)
    longer = _longer(parent, link, MALLORY.device, LAPTOP.public)
    assert refused(forged(envelope(raw_of()), capability=longer)) == "area-not-included"
    read = delegate(own(GARDEN, READ, GARDEN.public), GARDEN, area, MALLORY.device_key)
    assert shows(_longer(read, link, MALLORY.device, BOB.device_key)) == "area-not-included"
    honest = delegate(read, MALLORY.device, area, BOB.device_key)
    assert shows(encode_capability(honest)) == ""


def _longer(parent: Capability, link: bytes, giver: SigningKey, user: bytes) -> bytes:
    assert handover(parent, parent.granted_area, user) != link
    signature = giver.sign(link + parent.delegations[-1].signature + user)
    encoded = encode_capability(parent)
    return bytes([encoded[0] + 1]) + encoded[1:] + link + user + signature


def test_what_is_refused_here_is_a_frame_that_can_be_said() -> None:
    """The frames of these tests pass `decode_frame`, so it is the session that judges them."""
    encoded = encode_capability(readable(CAROL.device_key))
    frame = Present((Presented(encoded, bytes(64)),))
    assert decode_frame(encode_frame(frame)) == frame
