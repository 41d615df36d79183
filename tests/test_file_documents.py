"""`codes.md` and `drops.md` say what the code does: limits, codes of errors, kinds, links."""

import ast
import base64
import importlib
import re

import pytest

from crdt import cbor, sealing
from node import drops
from node.invites import PREFIX, Code, write_code
from tests.documents import FOLDER, ROOT, integers, number, rows, slug, words

TEXTS = {name: (FOLDER / f"{name}.md").read_text() for name in ("codes", "drops")}
SOURCES = {
    "codes": ("node/invites.py", "node/services/invites.py"),
    "drops": ("node/drops.py", "node/services/restore.py"),
}
KINDS = (
    *("HEAD", "SECRETS", "SETTINGS", "PETNAME", "PLACE", "RIGHT", "PEER", "INSTALLED"),
    *("ENTRY", "BLOB", "PAGE", "CHUNK", "PACKED", "LACKING", "KEPT", "BLOCKED", "END"),
)


def test_limits_are_the_constants() -> None:
    quoted: set[str] = set()
    for text in TEXTS.values():
        for row in rows(text, "at most", "in the code"):
            (name,) = words(row["in the code"])
            module, _, constant = name.rpartition(".")
            assert getattr(importlib.import_module(module), constant) == number(row["at most"])
            quoted.add(name)
    limits = integers("node.invites") | integers("node.drops")
    assert {name for name in limits if name.endswith("_MAX")} == quoted


def test_a_code_has_these_fields() -> None:
    listed = [words(row["field"])[0] for row in rows(TEXTS["codes"], "field", "type")]
    code = write_code(Code("grant", bytes(32), bytes([1]) * 32))
    packed = base64.urlsafe_b64decode(code.removeprefix(PREFIX) + "==")[8:]
    assert sorted(listed) == sorted(cbor.decode(packed, bytes_max=1_000))
    assert f'"{PREFIX}"' in TEXTS["codes"]


def test_the_kinds_of_frames() -> None:
    numbers = [int(row["kind"]) for row in rows(TEXTS["drops"], "kind", "what", "body")]
    assert numbers == [getattr(drops, name) for name in KINDS]
    assert f'"{drops.MAGIC.decode()}"' in TEXTS["drops"]
    assert f"{sealing.ARGON2ID_OPS} passes" in TEXTS["drops"]
    assert f"{sealing.ARGON2ID_MEMORY_BYTES >> 20} MiB" in TEXTS["drops"]


@pytest.mark.parametrize("name", TEXTS)
def test_every_refusal_is_listed(name: str) -> None:
    found: set[str] = set()
    for source in SOURCES[name]:
        for node in ast.walk(ast.parse((ROOT / source).read_text())):
            if isinstance(node, ast.keyword) and node.arg == "code":
                assert isinstance(node.value, ast.Constant)
                found.add(str(node.value.value))
    of_others = {"bad-request", "name-taken", "exists", "damaged"}
    assert found - of_others == {words(row["code"])[0] for row in rows(TEXTS[name], "code", "when")}


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", TEXTS[name]):
        file, _, heading = link.partition("#")
        target = (FOLDER / (file or f"{name}.md")).read_text()
        headings = {slug(one) for one in re.findall(r"^#+ (.*)$", target, re.MULTILINE)}
        assert not heading or heading in headings, link
    for path in re.findall(r"`([a-z0-9_/]+\.py)`", TEXTS[name]):
        assert (ROOT / path).is_file(), path
