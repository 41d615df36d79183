"""The doors of `crdt`: each takes any bytes, and asserts what must hold of those it takes.

A checksum or a signature would keep every mutation out, so where an attacker can make them (any
peer has a key, any file a checksum), the door makes them around the bytes it is given.
"""

import functools
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import replace

from crdt import cbor, delta
from crdt.area import Area, encode_area_in_area, read_area_in_area
from crdt.blob import (
    BlobId,
    ChunkName,
    Manifest,
    build_content_manifest,
    build_manifest,
    manifest_of,
    parse_page,
    parse_root,
)
from crdt.capability import (
    READ,
    WRITE,
    Capability,
    CapabilityCache,
    check_valid,
    decode_capability,
    delegate,
    encode_capability,
    own,
)
from crdt.change import (
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    decode_signed,
    device_capabilities,
    encode_signed,
    log_of,
    sign_change,
    sign_statement,
)
from crdt.did import decode_did_key, encode_did_key
from crdt.digest import payload_digest
from crdt.document import Document, Editor, skeleton_for
from crdt.ed25519 import SigningKey
from crdt.encoding import Reader
from crdt.entry import Entry, decode_entry, encode_entry
from crdt.envelope import CHANGE as MAGIC
from crdt.equivocation import check_proof, decode_proof, encode_proof
from crdt.errors import CrdtError, Malformed
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.leb128 import hashes, signed, uleb, unsigned
from crdt.path import ChangePath, encode_path, read_path, shown
from crdt.preflight import (
    INFLATED_BYTES_MAX,
    check_chunks,
    check_sync,
    read_change,
)
from crdt.preflight import (
    MAGIC as CHUNK,
)
from crdt.sealing import NONCE_BYTES, SALT_BYTES, SECRET_BYTES_MAX, is_sealed, unseal
from crdt.statement import (
    Checkpoint,
    Drop,
    Frontier,
    Heartbeat,
    Revoke,
    Statement,
    Unrevoke,
    class_of,
    decode_frontier,
    decode_statement,
    encode_frontier,
    encode_statement,
)
from crdt.usable import load_usable
from tests.crdt import bombs
from tests.crdt.strategies import ALICE, BOB, CAROL, GARDEN, MEADOW

ALICES = AuthorKey(ALICE.public)
LAPTOP = SigningKey.from_seed(bytes(range(32)))
NOW = 800_000_000_000_000
SKELETON = skeleton_for("pub", "mod")
CACHE = CapabilityCache()
DELTA_BASE = hashlib.shake_256(b"a base").digest(8_000)

# ── CBOR and numbers ─────────────────────────────────────────────────────────────────────────────


def read_cbor(data: bytes) -> None:
    value = cbor.decode(data, bytes_max=1 << 20)
    assert cbor.encode(value) == data


def cbor_seeds() -> Sequence[bytes]:
    values: list[object] = [
        [0, 23, 24, 255, 65_536, (1 << 64) - 1, -1, -(1 << 64)],
        [1.5, 0.1, float("inf"), float("nan"), True, None],
        {"a": [b"bytes", "text"], "b": {b"k": 1}, "c": {1: 2, 3: {}}},
        [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],
        [b"x" * 300, "é" * 40],
    ]
    return [cbor.encode(value) for value in values]


def read_leb128(data: bytes) -> None:
    number, at = unsigned(data, 0)
    assert 0 <= number < 1 << 64
    _, at = signed(data, at)
    found, at = hashes(data, at, 256)
    assert at <= len(data)
    assert len(found) <= 256


def leb128_seeds() -> Sequence[bytes]:
    two = uleb(2) + bytes(32) + b"\1" * 32
    return [uleb(1 << 63) + bombs.sleb(-(1 << 62)) + two, b"\0\0\0", uleb(300) + b"\x7f" + two]


# ── paths, areas, entries ────────────────────────────────────────────────────────────────────────


def read_whole_path(data: bytes) -> None:
    reader = Reader(data)
    path = read_path(reader)
    reader.finish()
    again = Reader(encode_path(path))
    assert read_path(again) == path
    text = shown(path)
    assert text.isprintable(), ascii(text)
    assert text.count("/") == max(1, len(path))
    assert not {".", ".."} & set(text.split("/"))
    assert ChangePath.parse(path).path() == path


def path_seeds() -> Sequence[bytes]:
    change = ChangePath("pub", "mod", b"io.univrs.clock", 4, DeviceKey(bytes(32)), 8, bytes(32))
    hostile = (b"..", b"\0", "\u202etxt".encode(), b"a/b", b"", b"\xff")
    paths = [change.path(), (), hostile, (b"a" * 4_096,), (b"x",) * 300]
    return [encode_path(path) for path in paths]


OUTER = (
    Area(),
    Area(ALICES),
    Area(None, (b"pub",), 10, 1_000),
    Area(ALICES, (b"pub", b"mod"), 5),
)


def read_area(data: bytes) -> None:
    """The first byte says relative to which area."""
    outer = OUTER[data[0] % len(OUTER)] if data else OUTER[0]
    reader = Reader(data, 1)
    area = read_area_in_area(reader, outer)
    reader.finish()
    assert outer.includes(area)
    again = Reader(encode_area_in_area(area, outer))
    assert read_area_in_area(again, outer) == area


def area_seeds() -> Sequence[bytes]:
    inner = [
        *(Area(), Area(ALICES, (b"pub", b"mod"), 20, 30), Area(ALICES, (b"pub", b"mod", b"r"), 5)),
        *(Area(None, (b"pub",), 10, 1_000), Area(ALICES, (b"pub", b"mod"), 500, 999)),
        Area(AuthorKey(BOB.public), (b"pub",), 1 << 40, (1 << 64) - 1),
    ]
    return [
        bytes([place]) + encode_area_in_area(area, outer)
        for place, outer in enumerate(OUTER)
        for area in inner
        if outer.includes(area)
    ]


def read_whole_entry(data: bytes) -> None:
    entry = decode_entry(data)
    assert encode_entry(replace(entry)) == data  # `replace` forgets what it was read from


def entry_seeds() -> Sequence[bytes]:
    paths = [ChangePath("pub", "mod", b"r", 0, DeviceKey(bytes(32)), 1, bytes(32)).path(), (b"x",)]
    return [
        encode_entry(Entry(COMMONS, ALICES, path, time, time, bytes(32)))
        for path in paths
        for time in (0, 252, 253, 1 << 40, (1 << 64) - 1)
    ]


def read_document_id(data: bytes) -> None:
    assert DocumentId.decode(data).encode() == data


def document_id_seeds() -> Sequence[bytes]:
    return [
        DocumentId(COMMONS, ALICES, cls, "mod", record, epoch).encode()
        for cls, record, epoch in (("pub", b"r", 0), ("rate", b"r" * 255, 7), ("_auth", b"a", 0))
    ]


# ── capabilities ─────────────────────────────────────────────────────────────────────────────────


def read_capability(data: bytes) -> None:
    capability = decode_capability(data)
    assert encode_capability(capability) == data
    check_valid(capability)
    # Nobody but the givers of a chain can sign it: what is valid was cut from one of them.
    assert not capability.delegations or capability in _known(), "a forged capability is valid"


@functools.cache
def chains() -> Sequence[Capability]:
    """Owned and communal, to read and to write, up to three deep."""
    area = Area(ALICES, (b"pub",), 0, 1 << 60)
    found: list[Capability] = []
    for mode in (READ, WRITE):
        communal = Capability(mode, NamespaceKey(MEADOW.public), ALICES)
        for root in (own(GARDEN, mode, ALICES), communal):
            one = delegate(root, ALICE, area, BOB.public)
            two = delegate(one, BOB, replace(area, path=(b"pub", b"mod"), end=9), CAROL.public)
            found += [root, one, two, delegate(two, CAROL, two.granted_area, LAPTOP.public)]
    return found


@functools.cache
def _known() -> frozenset[Capability]:
    return frozenset(chains())


def capability_seeds() -> Sequence[bytes]:
    return [encode_capability(capability) for capability in chains()]


def hand_on(data: bytes) -> None:
    """Bytes that say an area, signed by one who may hand on: what comes out is valid and inside."""
    parent = chains()[data[0] % len(chains())] if data else chains()[0]
    area = read_area_in_area(Reader(data, 1), parent.granted_area)
    giver = next(key for key in (ALICE, BOB, CAROL, LAPTOP) if key.public == parent.receiver)
    child = delegate(parent, giver, area, BOB.public)
    check_valid(decode_capability(encode_capability(child)))
    assert parent.granted_area.includes(child.granted_area)


def hand_on_seeds() -> Sequence[bytes]:
    return [
        bytes([place]) + encode_area_in_area(parent.granted_area, parent.granted_area)
        for place, parent in enumerate(chains())
    ]


# ── signed entries ───────────────────────────────────────────────────────────────────────────────


@functools.cache
def _signer() -> Signer:
    return Signer(LAPTOP, ALICES, device_capabilities(ALICE, DeviceKey(LAPTOP.public)))


@functools.cache
def honest() -> Sequence[SignedEntry]:
    """Two acts on one document: the second follows the first."""
    document = Document.open("pub", "mod", LAPTOP.public)
    where = DocumentId(COMMONS, ALICES, "pub", "mod", b"io.univrs.clock")
    made: list[SignedEntry] = []
    for number, heads in enumerate(((), (b"\1" * 32, b"\2" * 32))):
        raw = document.change(functools.partial(Editor.put, path=("head", "n"), value=number))
        assert raw is not None
        prev = made[-1].id if made else None
        made.append(
            sign_change(
                raw, where, signer=_signer(), prev=prev, auth_heads=heads, timestamp=NOW + number
            )
        )
    return made


def read_signed_entry(data: bytes) -> None:
    signed_entry = decode_signed(data)
    assert encode_signed(signed_entry) == data
    check_entry(signed_entry, CACHE)
    assert signed_entry in honest(), "a forged entry passes"


def signed_entry_seeds() -> Sequence[bytes]:
    return [encode_signed(one) for one in honest()]


@functools.cache
def forked() -> Sequence[SignedEntry]:
    """Two changes of one number, and two statements of another one."""
    document = DocumentId(COMMONS, ALICES, "pub", "mod", b"io.univrs.clock")
    (first, _), log = honest(), log_of(COMMONS, ALICES, "_auth")
    raw = Document.open("pub", "mod", LAPTOP.public).change(
        functools.partial(Editor.put, path=("head", "n"), value="again")
    )
    assert raw is not None
    root = Signer(ALICE, ALICES, {"_auth": encode_capability(Capability(WRITE, COMMONS, ALICES))})
    return [
        first,
        sign_change(raw, document, signer=_signer(), prev=None, timestamp=NOW),
        *(
            sign_statement(Revoke(key), log, seq=7, signer=root, prev=bytes([1]) * 32, timestamp=9)
            for key in (BOB.public, CAROL.public)
        ),
    ]


def read_proof(data: bytes) -> None:
    assert encode_proof(*decode_proof(data)) == data
    found = check_proof(data, CACHE)
    one, other = found.entries
    assert one.change.hash != other.change.hash
    assert {one.signed, other.signed} <= set(forked()), "a forged entry is proof"


def proof_seeds() -> Sequence[bytes]:
    one, other, first, second = forked()
    return [encode_proof(one, other), encode_proof(first, second), encode_proof(one, first)]


def check_envelope(data: bytes) -> None:
    """A payload in an entry that a device with every right signs; the first byte is its seq."""
    payload = data[1:]
    digest = payload_digest(payload)
    device = DeviceKey(LAPTOP.public)
    place = ChangePath("pub", "mod", b"r", 0, device, max(1, data[0] if data else 1), digest)
    entry = Entry(COMMONS, ALICES, place.path(), NOW, len(payload), digest)
    signature = LAPTOP.sign(encode_entry(entry))
    signed_entry = SignedEntry(entry, _signer().capabilities["pub"], signature, payload)
    checked = check_entry(signed_entry, CACHE)
    assert checked.raw
    assert payload.startswith(MAGIC)
    assert payload.endswith(checked.raw)
    assert checked.change.actor == device


def envelope_seeds() -> Sequence[bytes]:
    return [bytes([number]) + one.payload for number, one in enumerate(honest(), start=1)]


# ── Automerge ────────────────────────────────────────────────────────────────────────────────────


def read_one_change(data: bytes) -> None:
    """The bytes as they are, and as the body of a change with the right checksum."""
    raw = data
    try:
        read_change(data)
    except Malformed:
        raw = bombs.chunk(data)
        header = read_change(raw)
        assert header.hash == hashlib.sha256(raw[8:]).digest()
        assert header.ops <= header.rows


@functools.cache
def change_bodies() -> Sequence[bytes]:
    """Bodies of changes: our own, and those that hurt the library."""
    raws = [one.payload[-len(check_entry(one, CACHE).raw) :] for one in honest()]
    known = [*raws, *bombs.changes().values(), bombs.set_root(), bombs.long_list(20), _nested()]
    return [_body(raw) for raw in known if len(raw) < 4_096]


def change_seeds() -> Sequence[bytes]:
    return change_bodies()


def _nested() -> bytes:
    return bombs.nested(9, actor=LAPTOP.public, start_op=4, dependencies=[SKELETON.hash])


def _body(raw: bytes) -> bytes:
    _, at = unsigned(raw, 9)
    return raw[at:]


def check_file(data: bytes) -> None:
    """A saved document or row of chunks; the first byte says what stands around the bytes."""
    kind, body = data[0] % 5 if data else 0, data[1:]
    if kind == 0:
        check_chunks(body)
    elif kind == 4:
        check_chunks(bombs.chunk(body) + bombs.chunk(body))
    else:
        check_chunks(_chunk_of(body, (0, 1, 2)[kind - 1]))


def _chunk_of(body: bytes, kind: int) -> bytes:
    """With the checksum that this type of chunk wants. `body` of type 2 is a deflate stream."""
    plain, named = body, kind
    if kind == 2:
        named = 1
        try:
            plain = zlib.decompressobj(-15).decompress(body, INFLATED_BYTES_MAX + 1)
        except zlib.error:
            plain = b""
    digest = hashlib.sha256(bytes([named]) + uleb(len(plain)) + plain).digest()
    return CHUNK + digest[:4] + bytes([kind]) + uleb(len(body)) + body


def file_seeds() -> Sequence[bytes]:
    document = Document.open("pub", "mod", LAPTOP.public)
    document.change(functools.partial(Editor.put, path=("head", "name"), value="a clock"))
    saved = document.save()
    deflated = [bombs.deflate(body) for body in change_bodies()[:2]]
    wide = bombs.deflated_columns(4, 1_000)
    return [
        *(b"\0" + saved, b"\1" + _body(saved), b"\2" + _body(wide), b"\0" + SKELETON.raw),
        *(b"\3" + stream for stream in (*deflated, bombs.deflate(bytes(1 << 20)))),
        *(b"\4" + body for body in change_bodies()[:2]),
        b"\3" + bombs.deflate(bytes(INFLATED_BYTES_MAX + 1)),
    ]


def check_message(data: bytes) -> None:
    """A sync message, or one that hands over a change with these bytes in it."""
    try:
        check_sync(data)
    except Malformed:
        check_sync(bombs.sync(bombs.chunk(data)))


def message_seeds() -> Sequence[bytes]:
    known = [raw for raw in bombs.messages().values() if len(raw) < 4_096]
    return [*known, bombs.sync(SKELETON.raw), bombs.bloom(entries=1, bits=10, probes=7)]


def load_change(data: bytes) -> None:
    """The body of a change that a device signs: through the preflight, then into a document."""
    raw = bombs.chunk(data)
    header = read_change(raw)
    document = Document.open("pub", "mod", BOB.public)
    heads = document.heads()
    try:
        document.receive([raw])
    except CrdtError:
        assert document.heads() == heads, "refused, but the document has changed"
    assert document.to_py() is not None
    usable, refused = load_usable(SKELETON, [raw], BOB.public)
    assert refused.keys() <= {header.hash}
    assert usable.heads() == (heads if refused else document.heads())


def load_seeds() -> Sequence[bytes]:
    dependency = [SKELETON.hash]
    more = [
        *(bombs.set_root(dependencies=dependency, start_op=4), _nested()),
        *(bombs.long_list(40, dependencies=dependency, start_op=4), change_bodies()[0]),
    ]
    return [_body(raw) if raw.startswith(CHUNK) else raw for raw in more]


# ── keys, blobs ──────────────────────────────────────────────────────────────────────────────────


FRONTIER = {bytes([n]) * 70: (bytes([n]) * 32, bytes([n + 1]) * 32) for n in range(3)}


def read_statement(data: bytes) -> None:
    """The first byte says under which class it is said."""
    class_ = "_ck" if data[:1] == b"\1" else "_auth"
    statement = decode_statement(data[1:], class_)
    assert class_of(statement) == class_
    assert encode_statement(statement) == data[1:]


def statement_seeds() -> Sequence[bytes]:
    said: list[Statement] = [
        Revoke(BOB.public, Frontier(FRONTIER), Area(ALICES, (b"pub",)), "lost"),
        Revoke(BOB.public, Frontier(blob=BlobId(bytes(32)))),
        Unrevoke(bytes(32)),
        Drop(bytes(70), (bytes(32),)),
        Heartbeat(),
        Checkpoint(Frontier(FRONTIER)),
    ]
    return [bytes([class_of(one) == "_ck"]) + encode_statement(one) for one in said]


def read_frontier(data: bytes) -> None:
    assert encode_frontier(decode_frontier(data)) == data


def frontier_seeds() -> Sequence[bytes]:
    return [encode_frontier(FRONTIER), encode_frontier({})]


def read_did(data: bytes) -> None:
    did = data.decode("utf-8", "surrogateescape")
    assert encode_did_key(decode_did_key(did)) == did


def did_seeds() -> Sequence[bytes]:
    return [encode_did_key(key.public).encode() for key in (ALICE, BOB, CAROL)]


def open_sealed(data: bytes) -> None:
    """All but the half second of argon2id that a guess costs."""
    box_bytes = len(data) - 4 - SALT_BYTES - NONCE_BYTES
    if not is_sealed(data) or not 16 <= box_bytes <= 16 + SECRET_BYTES_MAX:
        unseal(data, "a passphrase")


def sealed_seeds() -> Sequence[bytes]:
    return [b"PSK1" + bytes(SALT_BYTES + NONCE_BYTES + size) for size in (0, 16, 48, 16 + 4_097)]


def read_root(data: bytes) -> None:
    root = parse_root(data, BlobId(payload_digest(data)))
    assert root.chunk_count <= 1 << 23
    assert 0 <= root.size <= 1 << 40
    assert all(len(each) == 32 for each in root.page_hashes)


def root_seeds() -> Sequence[bytes]:
    many = build_manifest([bytes(32)] * 2_000, 2_000 << 18)
    return [*(manifest_of(data).root for data in (b"a blob", b"")), many.root, _content().root]


@functools.cache
def _blob() -> tuple[bytes, bytes]:
    many = build_manifest([bytes([n % 256]) * 32 for n in range(1_025)], (1_024 << 18) + 1)
    return many.root, many.pages[0]


@functools.cache
def _content() -> Manifest:
    return build_content_manifest(
        ChunkName(n.to_bytes(31, "big") + bytes([n != 300]), 5_000 + n) for n in range(600)
    )


def read_page(data: bytes) -> None:
    """The first byte says which page, and with 128 more of the blob whose chunks differ."""
    blob = _content().root if data[:1] >= b"\x80" else _blob()[0]
    root = parse_root(blob, BlobId(payload_digest(blob)))
    number = data[0] % 128 - 1 if data else 0
    assert len(parse_page(data[1:], root, number)) == root.page_chunk_count(number)


def page_seeds() -> Sequence[bytes]:
    first, second = _content().pages
    of_content = [b"\x81" + first, b"\x82" + second]
    return [b"\1" + _blob()[1], b"\2" + bytes([0]) * 32, b"\0", *of_content]


def read_delta(data: bytes) -> None:
    """The first two bytes are the size that is asked for."""
    size = int.from_bytes(data[:2], "big")
    found = delta.decode(data[2:], DELTA_BASE, size)
    assert len(found) == size
    assert delta.decode(delta.encode(found, DELTA_BASE), DELTA_BASE, size) == found


def delta_seeds() -> Sequence[bytes]:
    base = DELTA_BASE
    near = [b"", base[100:4_000], base[:900] + b"!" * 40 + base[930:], bytes(60_000)]
    return [len(one).to_bytes(2, "big") + delta.encode(one, base) for one in near]
