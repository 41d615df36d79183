"""`relay.md` says what the code does: every frame, every bound and time, every code."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2p.protocol import limits as shared
from p2p.protocol.frames import Bye, Ping, Pong, decode_one_of
from p2p.protocol.relay import letter, limits
from p2p.protocol.relay.frames import LETTER_ID_BYTES, RELAY_FRAMES, RelayFrame
from p2p.protocol.relay.server import COSTS, SENTENCES
from tests.documents import (
    FOLDER,
    ROOT,
    called,
    integers,
    quoted,
    rows,
    slug,
    value_of,
)

RELAY = (FOLDER / "relay.md").read_text()
SHARED = (Bye, Ping, Pong)
OWN_FRAMES = [kind for kind in RELAY_FRAMES if kind not in SHARED]
MODULE = "p2p.protocol.relay.limits"
# Nobody else can tell how this node sees to it, or they are spelled out in a sentence.
UNLISTED = {"MEBIBYTE", "KEY_BYTES"}


def section(heading: str) -> str:
    pattern = rf"^### {re.escape(heading)}\n(.*?)(?=^##|\Z)"
    (text,) = re.findall(pattern, RELAY, re.MULTILINE | re.DOTALL)
    return str(text)


@pytest.mark.parametrize("kind", OWN_FRAMES, ids=lambda kind: kind.__name__)
def test_every_kind_of_frame_has_its_section_and_its_fields(kind: type[RelayFrame]) -> None:
    text = section(f"{kind.__name__} · kind {kind.__struct_config__.tag}")
    described = [row["field"] for row in rows(text, "field", "type", "meaning and bound")]
    assert described == list(kind.__struct_fields__)


def test_no_section_describes_a_kind_that_is_not() -> None:
    described = re.findall(r"^### (\w+) · kind (\d+)$", RELAY, re.MULTILINE)
    assert sorted(described) == sorted(
        (kind.__name__, str(kind.__struct_config__.tag)) for kind in OWN_FRAMES
    )


def test_limits_and_times_quoted_are_the_constants() -> None:
    assert quoted(RELAY) == {name: value_of(name) for name in quoted(RELAY)}


def test_every_limit_and_every_time_is_quoted() -> None:
    names = {name for name in integers(MODULE) if name.rpartition(".")[2] not in UNLISTED}
    times = {
        f"{MODULE}.{name}"
        for name in vars(limits)
        if name.endswith("_S") and not name.endswith("_PER_S")
    }
    assert names | times == set(quoted(RELAY))


def test_sentences_have_the_numbers_of_the_code() -> None:
    said = " ".join(RELAY.split())
    dear = {kind.__name__: f"{cost:.0f}" for kind, cost in COSTS.items()}
    assert dear == {"Lookup": "2", "Call": "4", "Post": "4", "Letter": "4", "Register": "8"}
    assert "a Lookup 2, a Call, Post or Letter 4, a Register 8" in said
    for burst, per_s in (
        (limits.FRAMES_BURST, limits.FRAMES_PER_S),
        (limits.FRAMES_OF_HOST_BURST, limits.FRAMES_OF_HOST_PER_S),
        (limits.FRAMES_OF_ALL_BURST, limits.FRAMES_OF_ALL_PER_S),
    ):
        assert re.search(rf"of {burst:,.0f} that fills by {per_s:,.0f}\b", said), burst
    assert f"After {limits.WRONG_TOKENS_BURST:.0f} wrong ones" in said
    assert f"one in {1 / limits.WRONG_TOKENS_PER_S:.0f} s is judged" in said
    assert f"cut to {limits.LETTER_S_MAX / 86_400:.0f} days" in said
    assert f"cut to {limits.POST_S_MAX / 86_400:.0f} days" in said
    assert f"at most {letter.LETTER_TEXT_BYTES_MAX:,} bytes" in said
    assert f"`{letter.LETTER_PREFIX.decode()}`" in said


def test_a_letter_and_a_card_are_as_long_for_both() -> None:
    assert letter.LETTER_SEALED_BYTES_MAX == limits.LETTER_BYTES_MAX
    assert letter.LETTER_ID_BYTES == LETTER_ID_BYTES
    assert shared.CARD_BYTES_MAX == limits.CARD_BYTES_MAX


def sources() -> Iterator[Path]:
    yield from sorted((ROOT / "p2p" / "protocol" / "relay").glob("*.py"))


def test_every_fault_has_its_line_and_no_line_is_dead() -> None:
    raised = {"relay-lies"}
    texts = [path.read_text() for path in sources()]
    for text in (*texts, inspect.getsource(decode_one_of)):  # which reads a relay's frames too
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and called(call) == "RemoteProtocolError":
                code = call.args[0]
                if isinstance(code, ast.Constant):
                    raised.add(str(code.value))
    described = {row["code"].strip("`") for row in rows(RELAY, "code", "what was wrong")}
    assert described == raised


def test_every_refusal_has_its_line() -> None:
    said = set(SENTENCES) | {"too-many-circuits", "wrong-token", "replaced", "silent", "lapsed"}
    described = {row["code"].strip("`") for row in rows(RELAY, "code", "when")}
    assert described == said


def test_every_link_leads_somewhere() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", RELAY):
        file, _, anchor = link.partition("#")
        target = (FOLDER / (file or "relay.md")).read_text()
        headings = {slug(heading) for heading in re.findall(r"^#+ (.*)", target, re.MULTILINE)}
        assert not anchor or anchor in headings, link


def test_every_file_named_is_there() -> None:
    for name in re.findall(r"`((?:p2p|node|tests)/[\w/.]+\.py)`", RELAY):
        assert (ROOT / name).is_file(), name
