"""The doors of `registry` and of files and cursors: text and values that strangers wrote."""

import functools
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from crdt import cbor
from registry.advisory import advisory_of, affects, publish_advisory
from registry.attestation import attestation_of, say_claim, say_run
from registry.challenge import (
    challenge_of,
    decode_terms,
    encode_terms,
    enter,
    publish_challenge,
)
from registry.content import parse_beginning, parse_identity
from registry.errors import MalformedRecord
from registry.evaluation import decode_evaluation, encode_evaluation
from registry.lineage import parse_lineage_id
from registry.listings import project
from registry.lockfile import parse_lock, write_lock
from registry.manifest import parse_manifest
from registry.module import module_of
from registry.names import parse_module_name, parse_reference, parse_requirement
from registry.plain import as_list, as_map
from registry.ranges import parse_range
from registry.ratings import rate, rating_of, record_of
from registry.statement import decode_statement, encode_statement
from registry.versions import parse_version
from registry.wasm.limits import Limits
from registry.wasm.sections import read_outline
from storage.keyfiles import read_key
from tests.registry.attested import NAME, QUESTION, VERSION, ran, record
from tests.registry.life import arena, dynasty, walker
from tests.registry.people import (
    ALICE_DID,
    BOB,
    BOB_PHONE,
    DAY_US,
    DICE,
    NOON_US,
    Record,
    dice_document,
    manifest_of,
    rating_document,
    release_of,
)
from tests.registry.test_advisory import LOADED, said_by
from tests.registry.test_challenge import TERMS, WORDS
from tests.registry.test_challenge import record as challenge_record
from tests.registry.test_lockfile import TEXT as LOCK
from tests.registry.test_manifest import LEAST, WHOLE
from tests.registry.wasm import bombs

DEMO = Path(__file__).parent.parent.parent / "node" / "demo"


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def read_manifest(data: bytes) -> None:
    manifest = parse_manifest(text_of(data))
    assert ".." not in Path(manifest.wasm).parts
    assert not Path(manifest.wasm).is_absolute()
    assert manifest.name.isprintable()


def manifest_seeds() -> Sequence[bytes]:
    demo = [path.read_bytes() for path in sorted(DEMO.glob("*/gen.toml"))]
    return [WHOLE.encode(), LEAST.encode(), *demo]


def read_lock(data: bytes) -> None:
    lock = parse_lock(text_of(data))
    assert parse_lock(write_lock(lock)) == lock


def lock_seeds() -> Sequence[bytes]:
    hurt = b'version = 1\n\n["\xff\xff"]\n[requirements]\n'
    return [LOCK.encode(), b"version = 1\n\n[requirements]\n", hurt]


def read_statement(data: bytes) -> None:
    assert encode_statement(decode_statement(data)) == data


def statement_seeds() -> Sequence[bytes]:
    needs = f'[dependencies]\n"org.example.a" = "^1"\n"{ALICE_DID}/b.c" = {{version = "*"}}\n'
    return [encode_statement(release_of(manifest_of(extra=extra))) for extra in ("", needs)]


def read_names(data: bytes) -> None:
    """What stands wherever a module, a version or a range is named: one line for each."""
    lines = text_of(data).split("\n")
    parsers: tuple[Callable[[str], object], ...] = (
        parse_reference,
        parse_module_name,
        parse_requirement,
        parse_version,
        parse_range,
        parse_identity,
        parse_beginning,
        parse_lineage_id,
    )
    for parse, line in zip(parsers, lines, strict=False):
        parse(line)


def name_seeds() -> Sequence[bytes]:
    lines = [f"{ALICE_DID}/org.example.dice", str(DICE), "alice/a.b@^1.2", "1.2.3-rc.1+b"]
    ranges = (">=1.2 <2 || ~3.1 || 4.x", "1.0.0 - 2.0.0", "^0.0.1-a", "*")
    ids = ["0f" * 32, "5b7c7c1e-7d0c-4a43-9f0c-5f0b8c1a2d3e"]
    return ["\n".join([*lines, range, *ids]).encode() for range in ranges]


def read_evaluation(data: bytes) -> None:
    assert encode_evaluation(decode_evaluation(data)) == data


def evaluation_seeds() -> Sequence[bytes]:
    return [encode_evaluation(QUESTION)]


def read_terms(data: bytes) -> None:
    assert encode_terms(decode_terms(data)) == data


def terms_seeds() -> Sequence[bytes]:
    return [encode_terms(TERMS)]


def read_wasm(data: bytes) -> None:
    outline = read_outline(data, Limits())
    assert all(section.end <= len(data) for section in outline.sections)


def wasm_seeds() -> Sequence[bytes]:
    demo = [path.read_bytes() for path in sorted(DEMO.glob("*/*.wasm"))]
    made = [make() for make, _ in bombs.REFUSED.values()]
    made += [make() for make in bombs.ADMITTED.values()]
    return [*demo, b"\0asm\x01\0\0\0", *(each for each in made if len(each) < 1 << 14)]


@functools.cache
def _record() -> Record:
    record = Record(dice_document())
    record.publish("1.0.0")
    record.publish("1.1.0", now_us=NOON_US + DAY_US)
    return record


@functools.cache
def _advisory() -> Record:
    record = said_by(BOB)
    record.edit(publish_advisory(LOADED, now_us=NOON_US))
    return record


@functools.cache
def _rating() -> Record:
    record = Record(rating_document(record_of(DICE)), BOB_PHONE)
    record.edit(rate(4, "Rolls well.", now_us=NOON_US))
    return record


@functools.cache
def _life() -> tuple[Record, ...]:
    return walker(), arena(), dynasty()


@functools.cache
def _attested() -> Record:
    bobs = record()
    bobs.edit(say_claim(QUESTION, NAME, VERSION, 42, now_us=NOON_US))
    bobs.edit(say_run(QUESTION, NAME, VERSION, ran(42), BOB_PHONE.public))
    bobs.edit(enter(TERMS, now_us=NOON_US))
    return bobs


@functools.cache
def _challenged() -> Record:
    alices = challenge_record()
    alices.edit(publish_challenge(TERMS, WORDS, now_us=NOON_US))
    return alices


def read_records(data: bytes) -> None:
    """The value of a document that others write, as each of the kinds."""
    value: object = cbor.decode(data, bytes_max=1 << 20)
    fields = as_map(value)
    if fields is None or not has_text_keys(fields):  # as all maps of a document have
        return
    if "versions" in fields:
        module_of(_record().id, fields)
    elif "runs" in fields:
        attestation_of(_attested().id, fields)
    elif "challenge" in fields:
        challenge_of(_challenged().id, fields)
    elif "advisory" in fields:
        said = advisory_of(_advisory().id, fields)
        affects(said, parse_version("1.0.0-rc.1"))
    elif "body" in fields:
        for one in _life():
            with suppress(MalformedRecord):
                project(one.id, fields)
    else:
        rating_of(_rating().id, fields)


def has_text_keys(value: object) -> bool:
    fields, items = as_map(value), as_list(value)
    if fields is not None:
        keys: Iterable[object] = fields
        return all(type(key) is str for key in keys) and has_text_keys([*fields.values()])
    return items is None or all(has_text_keys(item) for item in items)


def record_seeds() -> Sequence[bytes]:
    records = (_record(), _advisory(), _rating(), _attested(), _challenged(), *_life())
    return [cbor.encode(_encodable(one.value)) for one in records]


def _encodable(value: Mapping[str, Any]) -> dict[str, Any]:
    """Without the reals, which our CBOR does not have."""
    return {
        root: {key: one for key, one in fields.items() if not isinstance(one, float)}
        for root, fields in value.items()
    }


def read_key_file(data: bytes) -> None:
    """Plain ones: those that are sealed cost half a second each."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        read_key(Path(file.name))


def key_file_seeds() -> Sequence[bytes]:
    head = b"panspermia-key-1 "
    return [head + b"plain\n" + b"ab" * 32 + b"\n", head + b"sealed\n" + b"cd" * 92 + b"\n"]
