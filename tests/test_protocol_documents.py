"""`entries.md`, `envelope.md`, `statements.md`, `authority.md` are what the code does.

How they are read: `tests/documents.py`. The other protocols: `tests/test_session_documents.py`.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crdt import cbor
from crdt.area import Area, encode_area_in_area, read_area_in_area
from crdt.blob import BlobId
from crdt.capability import (
    READ,
    WRITE,
    Capability,
    CapabilityCache,
    decode_capability,
    delegate,
    encode_capability,
    handover,
)
from crdt.change import (
    DocumentId,
    SignedEntry,
    Signer,
    check_entry,
    device_capabilities,
    encode_signed,
    sign_change,
)
from crdt.did import encode_did_key
from crdt.digest import PARAMETERS, payload_digest
from crdt.document import ROOTS, Document, Editor, Plain, skeleton_for
from crdt.ed25519 import SigningKey
from crdt.encoding import Reader, c64, read_c64
from crdt.entry import Entry, decode_entry, encode_entry, tai_from_unix_us
from crdt.envelope import CHANGE as MAGIC
from crdt.errors import CrdtError, Malformed, Unauthorised, Unusable
from crdt.held import Reason
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.order import order_key
from crdt.path import encode_path, read_path
from crdt.preflight import ACTIONS, read_change
from crdt.statement import Checkpoint as CheckpointStatement
from crdt.statement import (
    Drop,
    Frontier,
    Heartbeat,
    Revoke,
    Statement,
    Unrevoke,
    class_of,
    decode_statement,
    encode_statement,
)
from registry.listed import Capability as Export
from registry.manifest import parse_manifest
from registry.names import ModuleName
from registry.publication import deprecate, publish_version, yank
from registry.ratings import count_install, rate
from registry.statement import Artifact, Need, Release, sign_release
from registry.statement import decode_statement as decode_release
from tests.crdt import bombs
from tests.documents import blocks, called, codes_of, integers, number, rows, slug, words

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "protocol"
NAMES = ("entries", "envelope", "statements", "authority")
ENTRIES, ENVELOPE, STATEMENTS, AUTHORITY = ((FOLDER / f"{name}.md").read_text() for name in NAMES)
TEXTS = (ENTRIES, ENVELOPE, STATEMENTS, AUTHORITY)
OURS = "\n".join(TEXTS)

ALICE, LAPTOP, BOB = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
ALICES, LAPTOPS = AuthorKey(ALICE.public), DeviceKey(LAPTOP.public)
CLOCK = DocumentId(COMMONS, ALICES, "pub", "mod", b"io.univrs.clock")
SKELETON = skeleton_for("pub", "mod")
NOON = tai_from_unix_us(1_767_268_800_000_000)  # 2026-01-01 12:00:00 UTC
CAPABILITIES = device_capabilities(ALICE, LAPTOPS)

HERS = Area(ALICES)
RECORD = Area(ALICES, (b"pub", b"mod", CLOCK.record))
SEASON = Area(ALICES, (b"pub",), 1_000, 2_000)
DAY = replace(SEASON, start=1_900, end=1_950)
BLOG = (b"blog", b"ideas", b"fun")


def named_clock() -> bytes:
    raw = Document.open("pub", "mod", LAPTOPS).change(partial(Editor.put, **NAMED))
    assert raw is not None
    return raw


NAMED: dict[str, Any] = {"path": ("head", "name"), "value": "Clock"}
SIGNED = sign_change(
    named_clock(), CLOCK, signer=Signer(LAPTOP, ALICES, CAPABILITIES), prev=None, timestamp=NOON
)


def examples() -> dict[str, bytes]:
    """Every fenced block of bytes, by its name, as the code makes it."""
    root = Capability(WRITE, COMMONS, ALICES)
    return {
        "path": encode_path(BLOG),
        "area-record": encode_area_in_area(RECORD, HERS),
        "area-season": encode_area_in_area(SEASON, HERS),
        "area-day": encode_area_in_area(DAY, SEASON),
        "commons": COMMONS,
        "handover": handover(root, replace(HERS, path=(b"pub",)), LAPTOPS),
        "capability": CAPABILITIES["pub"],
        "entry": encode_entry(SIGNED.entry),
        "signature": SIGNED.signature,
        "entry-id": SIGNED.id,
        "order-key": order_key(SIGNED.entry),
        "payload": SIGNED.payload,
        "statement-revoke": encode_statement(Revoke(LAPTOPS, reason="lost")),
        "document-id": CLOCK.encode(),
        "skeleton-pub-mod": SKELETON.raw,
        "skeleton-rate-mod": skeleton_for("rate", "mod").raw,
        "skeleton-others": skeleton_for("pub", "unheard-of").raw,
    }


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────


def test_every_example_is_what_the_code_writes() -> None:
    assert {name: data.hex() for name, data in blocks(OURS).items()} == {
        name: data.hex() for name, data in examples().items()
    }


def test_every_example_is_read_back_as_the_document_says() -> None:
    shown = blocks(OURS)
    signed = SignedEntry(
        decode_entry(shown["entry"]), shown["capability"], shown["signature"], shown["payload"]
    )
    checked = check_entry(signed, CapabilityCache())
    assert (checked.document, checked.device, checked.seq) == (CLOCK, LAPTOPS, 1)
    assert (checked.id, checked.prev, checked.auth_heads) == (shown["entry-id"], None, ())
    assert checked.change.dependencies == (SKELETON.hash,)
    assert decode_capability(shown["capability"]).granted_area == Area(ALICES, (b"pub",))
    assert DocumentId.decode(shown["document-id"]) == CLOCK
    assert read_path(Reader(shown["path"])) == BLOG
    for name, inner, outer in (
        ("area-record", RECORD, HERS),
        ("area-season", SEASON, HERS),
        ("area-day", DAY, SEASON),
    ):
        assert read_area_in_area(Reader(shown[name]), outer) == inner


def test_every_type_of_statement_is_listed_with_its_fields() -> None:
    document, heads = CLOCK.encode(), (bytes(32),)
    made: list[Statement] = [
        Revoke(LAPTOPS),
        Unrevoke(bytes(32)),
        Drop(document, heads),
        Heartbeat(),
        CheckpointStatement(Frontier({document: heads})),
    ]
    listed = {
        words(row["type"])[0]: (words(row["class"]), {"type", *words(row["fields"])})
        for row in rows(STATEMENTS, "type", "class", "fields")
    }
    for statement in made:
        body = encode_statement(statement)
        assert decode_statement(body, class_of(statement)) == statement
        fields: Any = cbor.decode(body, bytes_max=1_000)
        assert listed.pop(fields["type"]) == ([class_of(statement)], set(fields))
    assert not listed


def test_the_people_of_the_examples_have_the_keys_printed() -> None:
    printed = {row["who"]: words(row["public key"]) for row in rows(ENTRIES, "who", "public key")}
    assert printed == {"alice": [ALICE.public.hex()], "laptop": [LAPTOP.public.hex()]}
    assert encode_did_key(ALICE.public) in ENTRIES
    assert f"`{PARAMETERS}`" in ENTRIES


def test_compact_numbers_are_as_the_table_says() -> None:
    table = rows(ENTRIES, "bits", "number", "tag", "bytes that follow")
    assert {row["bits"] for row in table} == {"2", "4", "6", "8"}
    for row in table:
        bits, value = int(row["bits"]), number(row["number"])
        tag, follow = int(row["tag"]), bytes.fromhex("".join(words(row["bytes that follow"])))
        assert c64(value, bits) == (tag, follow)
        assert read_c64(Reader(follow), tag, bits) == value


def test_leap_seconds_are_those_the_table_lists() -> None:
    for row in rows(ENTRIES, "Unix seconds", "TAI − UTC"):
        since_s, ahead_s = number(row["Unix seconds"]), number(row["TAI − UTC"])
        at_us = max(since_s, 946_728_000) * 1_000_000
        assert tai_from_unix_us(at_us) == at_us + (ahead_s - 946_728_000) * 1_000_000


def test_the_skeletons_are_those_of_the_code() -> None:
    table = rows(ENVELOPE, "class", "kind", "roots", "hash")
    known = {(row["class"].strip("`"), row["kind"].strip("`")) for row in table}
    assert known == {*ROOTS, ("others", "")}
    for row in table:
        skeleton = skeleton_for(row["class"].strip("`"), row["kind"].strip("`"))
        assert words(row["hash"]) == [skeleton.hash.hex()]
        assert number(row["operations"]) == skeleton.max_op == len(words(row["roots"]))
        read = Document.open(row["class"].strip("`"), row["kind"].strip("`"), LAPTOPS).to_py()
        assert sorted(read) == words(row["roots"])


def test_every_link_leads_somewhere() -> None:
    """To a heading of these, or a decision; the other protocols have a test of their own."""
    headings = {
        f"{name}.md#{slug(heading)}"
        for name, text in zip(NAMES, TEXTS, strict=True)
        for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE)
    }
    for link in re.findall(r"\]\(([^)]+)\)", OURS):
        if link.startswith("../decisions/") or link == "life.md":
            assert (FOLDER / link).is_file(), link
        elif "#" in link:
            assert link in headings, link


# ── limits ───────────────────────────────────────────────────────────────────────────────────────

OF_BLOBS = {"blob", "covering", "delta"}
LIMITED = [
    *(
        f"crdt.{path.stem}"
        for path in sorted((ROOT / "crdt").glob("*.py"))
        if path.stem not in OF_BLOBS
    ),
    "registry.fields",
    "registry.head",
    "registry.module",
    "registry.ratings",
    "registry.statement",
]  # without blobs, which docs/protocol/blobs.md describes
NO_LIMIT = {"crdt.did.CACHED_MAX"}  # nobody else can tell how large a cache is


def test_limits_quoted_are_the_constants() -> None:
    for row in rows(OURS, "at most", "in the code"):
        (name,) = words(row["in the code"])
        module, _, constant = name.rpartition(".")
        assert getattr(importlib.import_module(module), constant) == number(row["at most"]), name


def test_every_limit_is_quoted() -> None:
    quoted = {
        name for row in rows(OURS, "at most", "in the code") for name in words(row["in the code"])
    }
    limits = {name for module in LIMITED for name in integers(module) if name.endswith("_MAX")}
    assert limits - quoted == NO_LIMIT


def test_no_large_number_stands_for_itself() -> None:
    """Whatever is written with a comma is a constant of the code, or of an example or a test."""
    shown = {SEASON.start, SEASON.end, DAY.start, DAY.end}
    elsewhere = {
        946_728_000,  # J2000
        1_000_000,  # µs; and tests/crdt/bombs.py
        8_310,  # tests/crdt/test_entry.py
        200_000,  # crdt/authority.py
    }
    known = shown.union(elsewhere, *(integers(module).values() for module in LIMITED))
    quoted = {number(text) for text in re.findall(r"\b\d{1,3}(?:,\d{3})+\b", OURS)}
    listed = {
        number(row[column])
        for column in ("number", "Unix seconds", "at most")
        for row in rows(OURS, column)
    }
    assert quoted <= known | listed


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────


def codes_raised() -> set[str]:
    """The first argument of every error that `crdt` makes."""
    errors = {CrdtError.__name__} | {each.__name__ for each in (Malformed, Unauthorised, Unusable)}
    found: set[str] = set()
    for path in sorted((ROOT / "crdt").glob("*.py")):
        tree = ast.parse(path.read_text())
        for function in [None, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))]:
            for call in ast.walk(function or tree):
                if isinstance(call, ast.Call) and called(call) in errors:
                    found |= set(codes_of(call.args[0], function, tree))
    return found


def test_every_refusal_has_its_line_and_no_line_is_dead() -> None:
    described = {code for row in rows(OURS, "code") for code in words(row["code"])}
    assert codes_raised() <= described
    assert described <= codes_raised()


def test_every_reason_for_not_counting_has_its_line() -> None:
    described = [code for row in rows(AUTHORITY, "reason", "when") for code in words(row["reason"])]
    assert sorted(described) == sorted(Reason)


STEPS = [code for row in rows(ENVELOPE, "step", "check", "code") for code in words(row["code"])]


@pytest.mark.parametrize("at", range(len(STEPS) + 1), ids=[*STEPS, "none"])
def test_checks_are_done_in_the_order_of_the_table(at: int) -> None:
    """An entry with this fault and all the later ones is refused for this one."""
    signed = faulty(frozenset(STEPS[at:]))
    if at == len(STEPS):
        check_entry(signed, CapabilityCache())
        return
    with pytest.raises((Malformed, Unauthorised)) as refusal:
        check_entry(signed, CapabilityCache())
    assert refusal.value.code == STEPS[at]


def faulty(faults: frozenset[str]) -> SignedEntry:
    """An entry with each of these faults, and right in all else."""
    payload = faulty_payload(faults)
    digest = payload_digest(payload)
    entry = Entry(COMMONS, ALICES, faulty_path(faults, digest), NOON, len(payload), digest)
    if "payload-length" in faults:
        entry = replace(entry, payload_length=len(payload) + 1)
    signature = (BOB if "bad-signature" in faults else LAPTOP).sign(encode_entry(entry))
    if "token-size" in faults:
        signature = signature[:-1]
    return SignedEntry(entry, faulty_capability(faults), signature, payload)


def faulty_path(faults: frozenset[str], digest: bytes) -> tuple[bytes, ...]:
    cls = b"_auth" if "not-the-root" in faults else b"pub"
    seq = 0 if "path-seq" in faults else 2 if "wrong-seq" in faults else 1
    return (
        b"pup" if "path-class" in faults else cls,
        b"Mod" if "path-kind" in faults else b"mod",
        b"" if "path-record" in faults else CLOCK.record,
        bytes(3 if "path-width" in faults else 4),
        LAPTOPS,
        seq.to_bytes(8, "big") + (bytes(32) if "payload-digest" in faults else digest),
        *((b"",) if "path-depth" in faults else ()),
    )


def faulty_capability(faults: frozenset[str]) -> bytes:
    namespace = NamespaceKey(bytes(32)) if "wrong-namespace" in faults else COMMONS
    root = Capability(READ if "read-only" in faults else WRITE, namespace, ALICES)
    area = replace(HERS, path=(b"elsewhere",) if "outside-area" in faults else ())
    receiver = BOB if "wrong-device" in faults else LAPTOP
    if "root-key" in faults:
        return encode_capability(replace(root, user=receiver.public))
    return encode_capability(delegate(root, ALICE, area, receiver.public))


def faulty_payload(faults: frozenset[str]) -> bytes:
    actor = BOB.public if "wrong-actor" in faults else LAPTOPS
    dependencies = () if "no-dependencies" in faults else (SKELETON.hash,)
    raw = bombs.set_root(actor=actor, dependencies=dependencies, start_op=4)
    return b"".join(
        (
            b"PSC0" if "envelope" in faults else MAGIC,
            b"\0",
            bytes([1 if "wrong-prev" in faults else 0]) * 32,
            bytes(32) if "change-hash" in faults else read_change(raw).hash,
            raw,
            bytes(70_000 if "payload-too-long" in faults else 0),
        )
    )


def test_the_actions_and_value_types_allowed_are_those_listed() -> None:
    listed = {int(row["action"]) for row in rows(ENVELOPE, "action", "meaning")}
    assert listed == ACTIONS


# ── documents of modules and ratings ─────────────────────────────────────────────────────────────

GEN = """
[module]
id = "io.univrs.clock"
name = "Clock"
version = "1.2.0"
description = "Tells the time"
license = "MIT"
tags = ["time"]
wasm = "clock.wasm"
"""


def places(value: Plain, at: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, f"{at}/{key}")
    else:
        yield at[1:]


def written(cls: str, *edits: Any) -> set[str]:  # noqa: ANN401 - edits of any part
    document = Document.open(cls, "mod", LAPTOPS)
    for edit in edits:
        document.change(edit)
    names = {"1.2.0": "<version>", "time": "<tag>", LAPTOPS.hex(): "<device>"}
    return {
        "/".join(names.get(part, part) for part in place.split("/"))
        for place in places(document.to_py())
    }


def release() -> Release:
    author = encode_did_key(ALICES)
    return Release(
        ModuleName(author, "io.univrs.clock"),
        "1.2.0",
        Artifact(bytes(32), bytes(32), 8, BlobId(bytes(32))),
        ("env.memory",),
        {f"{author}/io.univrs.user": Need("^1", is_optional=True)},
        "wasmtime 50.0.1",
        "mvp",
    )


def test_a_modules_document_holds_what_the_table_lists() -> None:
    publish = publish_version(
        parse_manifest(GEN),
        sign_release(release(), LAPTOP),
        now_us=1,
        exports=[Export("tick", "function", "() -> ()")],
        changelog="first",
        readme="# Clock",
    )
    found = written("pub", publish, yank("1.2.0", "wrong"), deprecate("1.2.0", "old"))
    listed = {place for row in rows(ENVELOPE, "in a module") for place in words(row["in a module"])}
    assert found == listed


def test_a_ratings_document_holds_what_the_table_lists() -> None:
    found = written("rate", rate(5, "good", now_us=1), count_install(now_us=1))
    listed = {place for row in rows(ENVELOPE, "in a rating") for place in words(row["in a rating"])}
    assert found == listed


def test_a_statement_has_the_fields_listed() -> None:
    statement = sign_release(release(), LAPTOP).statement
    assert decode_release(statement) == release()
    fields = cbor.decode(statement, bytes_max=1 << 16)
    table = {row["field"].strip("`") for row in rows(ENVELOPE, "field", "of a statement")}
    assert table == set(fields)


def test_a_signed_entry_in_a_file_has_four_parts() -> None:
    parts = cbor.decode(encode_signed(SIGNED), bytes_max=1 << 20)
    assert parts == [
        encode_entry(SIGNED.entry),
        SIGNED.capability,
        SIGNED.signature,
        SIGNED.payload,
    ]
