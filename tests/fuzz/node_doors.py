"""The doors of `node`: codes that people hand over, and drops that lie on somebody's stick."""

import base64
import gzip
import io
import json
from collections.abc import Sequence
from typing import cast

import msgspec
from blake3 import blake3
from msgspec import Struct

from crdt import cbor
from crdt.change import device_capabilities
from crdt.ed25519 import SigningKey
from crdt.errors import Malformed
from crdt.keys import AuthorKey, DeviceKey
from node.api.cleaned import cleaned_genome, cleaned_seed
from node.api.life_models import NewGenome, NewSeed
from node.api.wrapped import Wrapped
from node.drops import (
    CHUNK,
    END,
    ENTRY,
    FRAME_BYTES_MAX,
    HEAD,
    LACKING,
    MAGIC,
    PACKED,
    PLACE,
    SETTINGS,
    ChunkFrame,
    Head,
    LackingFrame,
    PackedFrame,
    PlaceFrame,
    packed,
)
from node.invites import CODE_BYTES_MAX, PREFIX, Code, code_words, read_code, write_code
from node.services.restore import read_contents
from node.terms import read_terms, terms_words, write_terms
from node.text import printable
from registry.genome import LINEAGE_CHARACTERS_MAX
from registry.head import Words, check_words, line_problem
from registry.life import BY_CHARACTERS_MAX
from tests.fuzz.mutation import join_frames, split_frames
from tests.node.test_invites import DEVICE, GRANT
from tests.node.test_terms import TERMS
from tests.node.test_words import ALICE
from universe.formats.halves import whole_characters

LAPTOP = SigningKey.from_seed(bytes([9]) * 32)

# ── codes ────────────────────────────────────────────────────────────────────────────────────────


def read_values_of_code(data: bytes) -> None:
    """With the length and the sum around them, which a forger writes as well as we."""
    head = len(data).to_bytes(4, "big") + blake3(data).digest()[:4]
    text = PREFIX + base64.urlsafe_b64encode(head + data).decode().rstrip("=")
    code = read_code(text)
    assert write_code(code) == text
    for line in code_words(code, {}):
        assert printable(line) == line, "what is shown before it is taken"


def code_seeds() -> Sequence[bytes]:
    bare = Code("grant", GRANT.receiver, GRANT.giver, note="come \u202e in")
    texts = [write_code(code).removeprefix(PREFIX) for code in (GRANT, DEVICE, bare)]
    bodies = [base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[8:] for text in texts]
    values = cbor.decode(bodies[-1], bytes_max=CODE_BYTES_MAX)
    values["for"] = base64.b64encode(values["for"]).decode()  # bytes are never text
    return [*bodies, cbor.encode(values)]


# ── drops ────────────────────────────────────────────────────────────────────────────────────────


def read_frames_of_drop(data: bytes) -> None:
    """Frames of [kind, body] in CBOR, the body plain, with checks and a signature that hold."""
    hash, file = blake3(MAGIC), bytearray(MAGIC)

    def write(kind: bytes, body: bytes) -> None:
        frame = kind + len(body).to_bytes(4, "big") + body
        hash.update(frame)
        check = hash.digest()[:8]
        hash.update(check)
        file.extend(frame + check)

    for frame in split_frames(data):
        write(*_kind_and_body(frame))
    write(bytes([END]), LAPTOP.sign(b"panspermia drop 1" + hash.digest()))
    read_contents(io.BytesIO(bytes(file)), len(file), lambda _done, _all: None)


def _kind_and_body(frame: bytes) -> tuple[bytes, bytes]:
    """As they are where that is no frame: the first byte is the kind."""
    try:
        match cbor.decode(frame, bytes_max=FRAME_BYTES_MAX):
            case [int(kind), body] if 0 <= kind < 256:
                return bytes([kind]), body if isinstance(body, bytes) else cbor.encode(body)
            case _:
                pass
    except Malformed:
        pass
    return frame[:1] or b"\0", frame[1 : 1 + FRAME_BYTES_MAX]


def drop_seeds() -> Sequence[bytes]:
    right = device_capabilities(ALICE, DeviceKey(LAPTOP.public))["pub"]
    head = Head("backup", ALICE.public, LAPTOP.public, right, 1, False, 1, 3)
    frames: list[tuple[int, object]] = [
        (HEAD, _plain(head)),
        (SETTINGS, b"[quota]\n"),
        (PLACE, _plain(PlaceFrame(bytes(32), "pond"))),
        (ENTRY, b"an entry"),
        (CHUNK, _plain(ChunkFrame(0, b"abc"))),
        (PACKED, _plain(PackedFrame(1, 3, bytes(32), 0, 1, b"abc"))),
        (LACKING, _plain(LackingFrame(bytes(32), 1, ("universe main at tick 1",)))),
    ]
    return [
        join_frames([cbor.encode([*one]) for one in some])
        for some in (frames, frames[:1], frames[:3])
    ]


def _plain(fields: Struct) -> object:
    value: object = cbor.decode(packed(fields), bytes_max=FRAME_BYTES_MAX)
    return value


# ── live invites ─────────────────────────────────────────────────────────────────────────────────


def read_terms_of_invite(data: bytes) -> None:
    """What whoever knows the secret offers, shown before it is taken."""
    terms = read_terms(data, ALICE.public)
    assert write_terms(terms) == data
    for line in terms_words(terms, {}, AuthorKey(LAPTOP.public)):
        assert printable(line) == line, "what is shown before it is taken"


def terms_seeds() -> Sequence[bytes]:
    return [write_terms(one) for one in TERMS]


# ── submissions of other programs ────────────────────────────────────────────────────────────────


def read_submission(data: bytes) -> None:
    """Whatever a client of others sends fits a record, once it is cleaned."""
    given: object = msgspec.json.decode(data)
    if not isinstance(given, dict):
        return
    named = cast("dict[str, object]", given)
    fields = {name: value for name, value in named.items() if name not in AS_THEY_ARE}
    try:
        genome = msgspec.convert(cleaned_genome(fields), NewGenome)
        seed = msgspec.convert(cleaned_seed(fields), NewSeed)
    except msgspec.ValidationError as error:
        raise AssertionError("what was cleaned is no submission") from error
    for one in (genome, seed):
        assert not isinstance(one.tags, str)
        check_words(Words(one.name, one.description, one.license, one.card, one.tags))
        assert not line_problem(one.author or "", BY_CHARACTERS_MAX)
    assert not line_problem(genome.lineage_id or "", LINEAGE_CHARACTERS_MAX)


AS_THEY_ARE = ("namespace", "content", "format")
"""Of these a slip is told: nothing can be made of it."""


def submission_seeds() -> Sequence[bytes]:
    said = {
        "genotype": "7b7d", "author": "a\tb", "name": "n" * 65, "description": "Walks.\n",
        "tags": "one,two,,three", "fitness_score": 99.5, "offspring_count": 7.0, "tick": 12,
        "lineage_id": "3f0c", "license": "MIT", "card": "# Card", "parents": ["0a" * 32],
        "file": "a/b.txt", "dry_run": True,
    }  # fmt: skip
    config = {"config": {"world": {"width": 1}}, "max_pop": 1e30, "avg_tick_time": -0.5}
    return [
        msgspec.json.encode(one)
        for one in (said, said | config, config | {"performance_summary": "é" * 3_000}, [said])
    ]


def read_wrapped_snapshot(data: bytes) -> None:
    """What comes out of it is JSON for others too, wherever it is cut, but for halves."""
    wrapped = Wrapped()
    cut = max(1, len(data) // 3)
    came = b"".join(
        piece for at in range(0, len(data), cut) for piece in wrapped.push(data[at : at + cut])
    )
    wrapped.finish()
    msgspec.json.decode(whole_characters(b"[" + came + b"]"), type=tuple[msgspec.Raw])
    came.decode()


def wrapped_snapshot_seeds() -> Sequence[bytes]:
    world = {"a": [{"at": [1, -2.5e3], "name": "Größe 😀", "gone": None}] * 3}
    said = {"tick": 12, "day": 3.0, "type": "canonical", "canonEvent": {"type": "birth"}}
    packed = gzip.compress(msgspec.json.encode(world), mtime=0)
    return [
        json.dumps({"snapshot": world} | said, indent=1).encode(),
        json.dumps(said | {"compressedSnapshot": base64.b64encode(packed).decode()}).encode(),
        b'{"snapshot": ["\\ud83d", "\\\\ud83d"], "tick": 1, "canonEvent": {"type": "\\ude00"}}',
        b'{"snapshot": "a\\/b", "tick": "7", "more": [[[[[[[1]]]]]]]}',
    ]
