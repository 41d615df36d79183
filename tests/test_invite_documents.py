"""`docs/protocol/invites.md` is what the code does: limits, frames, derived names and codes."""

import ast
import importlib
import re

from p2p.protocol.invites import frames, keys
from p2p.protocol.invites.link import LINK_PREFIX
from tests.documents import FOLDER, ROOT, called, integers, number, rows, words

TEXT = (FOLDER / "invites.md").read_text()
LIMITED = ("code", "frames", "guesses", "keys", "link")


def test_limits_quoted_are_the_constants() -> None:
    for row in rows(TEXT, "at most", "in the code"):
        (name,) = words(row["in the code"])
        module, _, constant = name.rpartition(".")
        assert getattr(importlib.import_module(module), constant) == number(row["at most"]), name


def test_every_limit_is_quoted() -> None:
    quoted = {
        name for row in rows(TEXT, "at most", "in the code") for name in words(row["in the code"])
    }
    modules = [f"p2p.protocol.invites.{name}" for name in LIMITED]
    limits = {name for one in modules for name in integers(one) if name.endswith("_MAX")}
    assert limits <= quoted


def test_frames_are_as_the_table_says() -> None:
    table = rows(TEXT, "frame", "kind", "fields")
    kinds = [frames.Redeem, frames.Offer, frames.Confirm, frames.Given]
    assert [(words(row["frame"])[0], row["kind"]) for row in table] == [
        (kind.__name__, str(kind.__struct_config__.tag)) for kind in kinds
    ]
    for row, kind in zip(table, kinds, strict=True):
        assert words(row["fields"]) == list(kind.__struct_fields__)


def test_what_is_derived_is_spelled_out() -> None:
    names = (
        keys.SALT, keys.SIGN, keys.TAG, keys.MEETING, keys.SEALING, keys.ACCEPTER, keys.INVITER,
    )  # fmt: skip
    for name in names:
        assert name.decode() in TEXT
    assert f"`{LINK_PREFIX}`" in TEXT


def test_every_fault_has_its_line() -> None:
    raised: set[str] = set()
    for path in (ROOT / "p2p" / "protocol" / "invites").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and called(call) == "RemoteProtocolError":
                assert isinstance(call.args[0], ast.Constant)
                raised.add(str(call.args[0].value))
    described = {
        code for row in rows(TEXT, "code", "what was wrong") for code in words(row["code"])
    }
    assert raised <= described


def test_every_file_named_is_there() -> None:
    for name in re.findall(r"`((?:p2p|node|storage|tests)/[\w/.]+\.py)`", TEXT):
        assert (ROOT / name).is_file(), name
    for link in re.findall(r"\]\(([^)#]+)", TEXT):
        assert (FOLDER / link).is_file(), link
