"""The documents of the channel, the session and what is said in it are what the code does.

Every kind of frame has its section with its fields, every reason for closing its line, every bound
and every time its row, and every block of bytes is what the code writes.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from msgspec import Struct

from crdt.area import Area
from crdt.blob import manifest_of
from crdt.boxes import sealing_key
from crdt.capability import CapabilityCache, capability_digest
from crdt.chunking import content_manifest_of
from crdt.keys import COMMONS
from crdt.order import fingerprint_of
from p2p.protocol import frames, limits, offences, rendezvous
from p2p.protocol.card import CARD_PREFIX, check_card, sign_card
from p2p.protocol.check_digits import check_digits
from p2p.protocol.config import Role
from p2p.protocol.errors import DUPLICATE
from p2p.protocol.frames import FRAME_LENGTH_BYTES, FRAMES, Frame, decode_frame, encode_frame
from p2p.protocol.grants import encode_area
from p2p.protocol.greeting import PRESENT_PREFIX, salted_name
from p2p.protocol.handshake import SIGNED_PREFIX, check_payload, make_payload
from p2p.protocol.link import (
    ID_PREFIX,
    PROOF_PREFIX,
    SECRET_CONTEXT,
    proof_of,
    session_id,
    session_secret,
)
from p2p.protocol.link_frames import LINK_FRAMES
from p2p.protocol.states import diagram
from p2p.transport.door import REFUSED
from p2p.transport.noise import PROTOCOL
from tests.documents import (
    FOLDER,
    ROOT,
    blocks,
    called,
    codes_of,
    integers,
    number,
    quoted,
    rows,
    slug,
    value_of,
    words,
)
from tests.test_protocol_documents import ALICES, BOB, CAPABILITIES, LAPTOP, LAPTOPS

NAMES = ("channel", "session", "reconciliation", "blobs", "cards", "discovery", "link")
TEXTS = tuple((FOLDER / f"{name}.md").read_text() for name in NAMES)
CHANNEL, SESSION, RECONCILIATION, BLOBS, CARDS, DISCOVERY, LINK = TEXTS
OURS = "\n".join(TEXTS)

NOISE_STATIC, SOMEBODY, HANDSHAKE_HASH, CHALLENGE, PRIVATE = (bytes([n]) * 32 for n in range(5, 10))
SECRET = session_secret(HANDSHAKE_HASH, initiators=CHALLENGE, responders=PRIVATE)
ALL_FRAMES: tuple[type[Struct], ...] = (*FRAMES, *LINK_FRAMES)
NOON_US = 1_767_268_800_000_000  # 2026-01-01 12:00:00 UTC
THREE_IDS = tuple(bytes([n]) * 16 for n in (1, 2, 3))


def on_the_stream(frame: Frame) -> bytes:
    data = encode_frame(frame)
    return len(data).to_bytes(FRAME_LENGTH_BYTES, "big") + data


def a_card() -> bytes:
    return sign_card(
        LAPTOP,
        author=ALICES,
        capability=CAPABILITIES["pub"],
        places=("192.0.2.7:4747",),
        relays=("relay://relay.example:4747",),
        sealing=sealing_key(PRIVATE),
        issued_us=NOON_US,
        until_us=NOON_US + 86_400_000_000,
    )


def examples() -> dict[str, bytes]:
    """Every fenced block of bytes, by its name, as the code makes it."""
    listing = frames.Listing(None, b"".join(THREE_IDS))
    hello = manifest_of(b"hello")
    content_hello = content_manifest_of(b"hello")
    cut_world = content_manifest_of(blake3(b"a world").digest(length=100_000))
    sizes = [cut_world.chunk_size(number) for number in range(cut_world.chunk_count)]
    assert all(f"{size:,}" in BLOBS for size in sizes)
    return {
        "handshake-payload": make_payload(LAPTOP, NOISE_STATIC),
        "frame-ping": on_the_stream(frames.Ping(1)),
        "frame-get-against": on_the_stream(
            frames.Get(7, hello.id, 2, 40, 4, 3, frames.Base(content_hello.id, 39, 6))
        ),
        "frame-interests": on_the_stream(
            frames.Interests((frames.Interest(COMMONS, encode_area(Area())),))
        ),
        "present-signature": LAPTOP.sign(
            PRESENT_PREFIX + HANDSHAKE_HASH + CHALLENGE + capability_digest(b"\0")
        ),
        "salted-name": salted_name(PRIVATE, handshake_hash=HANDSHAKE_HASH, device=SOMEBODY),
        "fingerprint-of-none": fingerprint_of(()),
        "fingerprint-of-three": fingerprint_of(THREE_IDS),
        "frame-reconcile": on_the_stream(
            frames.Reconcile(0, COMMONS, encode_area(Area()), (listing,))
        ),
        "card": a_card(),
        "session-name": session_id(SECRET),
        "resume-proof": proof_of(SECRET, Role.INITIATOR, 42, NOISE_STATIC, 3),
        "slot-public": rendezvous.slots(bytes(range(32)), 20_000)[0].public,
        "blob-root": hello.root,
        "blob-id": hello.id,
        "content-blob-page": content_hello.pages[0],
        "content-blob-root": content_hello.root,
        "content-blob-id": content_hello.id,
        "content-blob-cut": cut_world.id,
    }


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────


def test_every_example_is_what_the_code_writes() -> None:
    assert {name: data.hex() for name, data in blocks(OURS).items()} == {
        name: data.hex() for name, data in examples().items()
    }


def test_frames_shown_are_read_back() -> None:
    shown = blocks(OURS)
    read = [
        decode_frame(data[FRAME_LENGTH_BYTES:]) for name, data in shown.items() if "frame-" in name
    ]
    assert [type(frame) for frame in read] == [
        frames.Ping,
        frames.Interests,
        frames.Reconcile,
        frames.Get,
    ]
    assert check_payload(shown["handshake-payload"], NOISE_STATIC) == LAPTOPS
    card = check_card(shown["card"], CapabilityCache(), now_us=NOON_US)
    assert (card.device, card.author, card.places) == (LAPTOPS, ALICES, ("192.0.2.7:4747",))


def test_names_that_are_signed_or_agreed_on_are_spelled_out() -> None:
    for name in (ID_PREFIX, PROOF_PREFIX, SECRET_CONTEXT.encode()):
        assert f"`{name.decode()}`" in LINK
    for name in (PROTOCOL, SIGNED_PREFIX, PRESENT_PREFIX, CARD_PREFIX, b"panspermia-overlap:"):
        assert f"`{name.decode()}`" in OURS


# ── frames ───────────────────────────────────────────────────────────────────────────────────────


def section(heading: str) -> str:
    """What stands under a heading, to the next one; a heading stands once."""
    pattern = rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)"
    texts: list[str] = re.findall(pattern, OURS, re.MULTILINE | re.DOTALL)
    (text,) = texts
    return text


@pytest.mark.parametrize("kind", ALL_FRAMES, ids=lambda kind: kind.__name__)
def test_every_kind_of_frame_has_its_section_and_its_fields(kind: type[Struct]) -> None:
    text = section(f"{kind.__name__} · kind {kind.__struct_config__.tag}")
    described = [row["field"] for row in rows(text, "field", "type", "meaning and bound")]
    assert described == list(kind.__struct_fields__)


def test_no_section_describes_a_kind_that_is_not() -> None:
    described = re.findall(r"^### (\w+) · kind (\d+)$", OURS, re.MULTILINE)
    assert sorted(described) == sorted(
        (kind.__name__, str(kind.__struct_config__.tag)) for kind in ALL_FRAMES
    )


def test_every_kind_of_range_has_its_row() -> None:
    table = rows(RECONCILIATION, "kind", "fields", "meaning")
    kinds: tuple[type[Struct], ...] = (frames.Skip, frames.Summary, frames.Listing)
    assert [(row["kind"], row["fields"]) for row in table] == [
        (str(kind.__struct_config__.tag), ", ".join(kind.__struct_fields__)) for kind in kinds
    ]
    for row, kind in zip(table, kinds, strict=True):
        assert row["meaning"].startswith(f"*{kind.__name__}*")


def test_the_state_diagram_is_that_of_the_table() -> None:
    (drawn,) = re.findall(r"^```mermaid\n(.*?)\n```$", SESSION, re.MULTILINE | re.DOTALL)
    assert drawn == diagram()


# ── limits and times ─────────────────────────────────────────────────────────────────────────────

LIMITED = (
    "p2p.protocol.card",
    "p2p.protocol.frames",
    "p2p.protocol.limits",
    "p2p.protocol.ranges",
)
UNITS = {
    "p2p.protocol.card.CARD_VERSION",
    "p2p.protocol.card.SECOND_US",
    "p2p.protocol.limits.MEBIBYTE",
    "p2p.protocol.frames.U64_MAX",
    "p2p.protocol.frames.FRAME_LENGTH_BYTES",
}
# How this node keeps within the bounds, which nobody else can tell.
OWN = {"p2p.protocol.limits.UNSENT_BYTES_AIM", "p2p.protocol.ranges.SPARE_BYTES"}


def test_limits_and_times_quoted_are_the_constants() -> None:
    assert quoted(OURS) == {name: value_of(name) for name in quoted(OURS)}


def test_every_limit_and_every_time_is_quoted() -> None:
    numbers = {name for module in LIMITED for name in integers(module)}
    times = {
        f"p2p.protocol.limits.{name}"
        for name in vars(limits)
        if name.endswith("_S") and not name.endswith("_PER_S")
    }
    assert (numbers | times) - set(quoted(OURS)) == UNITS | OWN


def test_buckets_are_as_the_sentence_says() -> None:
    said = " ".join(SESSION.split())
    burst, per_s = limits.CONTROL_FRAMES_BURST, limits.CONTROL_FRAMES_PER_S
    assert f"a bucket of {burst:.0f} tokens that fills by {per_s:.0f} a second" in said
    burst, per_s = limits.RECONCILIATIONS_BURST, limits.RECONCILIATIONS_PER_S
    assert f"one of {burst:.0f} that fills by {per_s:.0f} a second" in said
    assert f"a bucket that fills by {offences.HOST_STRIKES_PER_S:.0f} a second" in said
    burst, seconds = limits.EXCHANGES_BURST, 1 / limits.EXCHANGES_PER_S
    assert f"a bucket of {burst:.0f} that fills by one in {seconds:.0f} s" in " ".join(
        CARDS.split()
    )
    each, all_of_them = limits.DELTA_PEER_BYTES_PER_S, limits.DELTA_BYTES_PER_S
    said = " ".join(BLOBS.split())
    mib = limits.MEBIBYTE
    assert f"{each / mib:.0f} MiB a second for one peer and {all_of_them / mib:.0f} MiB" in said
    said, per_s = " ".join(RECONCILIATION.split()), limits.TRIAL_IDS_PER_S
    assert f"a bucket of {limits.TRIAL_IDS_MAX} that fills by {per_s:.0f} a second" in said
    burst, per_s = limits.REVOKED_IDS_MAX, limits.REVOKED_IDS_PER_S
    assert f"another bucket, of {burst:,} that fills by {per_s:.0f} a second" in said


# ── faults ───────────────────────────────────────────────────────────────────────────────────────

ERRORS = {"RemoteProtocolError", "PeerTimeout"}


def sources() -> Iterator[Path]:
    yield from sorted((ROOT / "p2p" / "protocol").glob("*.py"))
    yield from sorted((ROOT / "p2p" / "transport").glob("*.py"))


def codes_raised() -> set[str]:
    """The first argument of every fault and every silence; those of `crdt` are passed on."""
    found: set[str] = set()
    for path in sources():
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and called(call) in ERRORS:
                match call.args[0]:
                    case ast.Constant(value=str(code)):
                        found.add(code)
                    case ast.Attribute(value=ast.Name(id="error"), attr="code"):
                        pass  # of a capability, an entry or a blob that cannot be read
                    case other:
                        raise AssertionError(f"{path.name}:{other.lineno}: an unreadable code")
    return found


def codes_of_blobs() -> set[str]:
    found: set[str] = set()
    for name in ("blob", "delta"):
        tree = ast.parse((ROOT / "crdt" / f"{name}.py").read_text())
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        codes = [call.args[0] for call in calls if called(call) == "Malformed"]
        found |= {one for code in codes for one in codes_of(code, None, tree)}
    return found


def test_every_fault_has_its_line_and_no_line_is_dead() -> None:
    described = [
        code for row in rows(OURS, "code", "what was wrong") for code in words(row["code"])
    ]
    assert len(described) == len(set(described))
    assert set(described) == codes_raised() | codes_of_blobs()


def test_every_reason_for_leaving_has_its_line() -> None:
    described = {code for row in rows(SESSION, "code", "when") for code in words(row["code"])}
    said: set[str] = {"internal-error", REFUSED}
    for path in (*sources(), *sorted((ROOT / "node").rglob("*.py"))):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and called(call) == "leave" and call.args:
                match call.args[0]:
                    case ast.Constant(value=str(code)):
                        said.add(code)
                    case ast.Name(id="DUPLICATE"):
                        said.add(DUPLICATE)
                    case _:
                        pass  # passed through
    assert described == said


def test_codes_that_end_a_fetch_are_named() -> None:
    for code in ("not-held", "too-large", "not-stored"):
        assert f"`{code}`" in BLOBS


# ── links ────────────────────────────────────────────────────────────────────────────────────────


def test_every_link_leads_somewhere() -> None:
    for name, text in zip(NAMES, TEXTS, strict=True):
        for link in re.findall(r"\]\(([^)]+)\)", text):
            file, _, anchor = link.partition("#")
            target = (FOLDER / (file or f"{name}.md")).read_text()
            headings = {slug(heading) for heading in re.findall(r"^#+ (.*)", target, re.MULTILINE)}
            assert not anchor or anchor in headings, link


def test_numbers_of_the_public_table_are_as_shown() -> None:
    table = rows(DISCOVERY, "of what", "exactly", "in the code")
    shown = {words(row["in the code"])[0]: number(row["exactly"]) for row in table}
    assert shown == {name: value_of(name) for name in shown}
    assert len(shown) == 3
    for name in (rendezvous.SLOT_CONTEXT, rendezvous.SALT.decode(), "panspermia relays"):
        assert name in DISCOVERY


def test_check_digits_are_as_shown() -> None:
    assert f"`{check_digits(BOB.public, LAPTOPS)}`" in CARDS


def test_every_file_named_is_there() -> None:
    for name in re.findall(r"`((?:p2p|crdt|tests)/[\w/.]+\.py)`", OURS):
        assert (ROOT / name).is_file(), name
