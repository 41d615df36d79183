"""`docs/protocol/webrtc.md` says what the code does: its bytes, bounds and codes."""

import ast
import re

from crdt.boxes import sealing_key
from crdt.keys import DeviceKey
from p2p.protocol.webrtc.signal import OFFER, SIGNAL_PREFIX, Signal, sign_signal
from tests.documents import FOLDER, ROOT, blocks, integers, number, rows, words
from tests.node.test_meanings import codes_in
from tests.test_protocol_documents import LAPTOP, LAPTOPS

TEXT = (FOLDER / "webrtc.md").read_text()
NOON_US = 1_767_268_800_000_000  # 2026-01-01 12:00:00 UTC

# How long something waits, and how much is asked of ourselves, stands in the code.
BOUNDS = (
    "p2p.protocol.webrtc.sctp",
    "p2p.protocol.webrtc.sdp",
    "p2p.protocol.webrtc.signal",
    "p2p.protocol.stun",
)
SOURCES = ("p2p/protocol/webrtc", "p2p/transport/webrtc")


def test_the_example_is_what_the_code_writes() -> None:
    said = Signal(
        OFFER, LAPTOPS, DeviceKey(bytes([5]) * 32), bytes([6]) * 16,
        sealing_key(bytes([9]) * 32), "v=0\r\n",
    )  # fmt: skip
    assert blocks(TEXT)["signal"].hex() == sign_signal(said, LAPTOP, now_us=NOON_US).hex()


def test_what_is_signed_is_spelled_out() -> None:
    assert f"`{SIGNAL_PREFIX.decode()}`" in TEXT


def test_every_bound_has_its_row() -> None:
    table = {
        words(row["in the code"])[0]: number(row["at most"]) for row in rows(TEXT, "in the code")
    }
    defined = {name: value for module in BOUNDS for name, value in integers(module).items()}
    assert {name: table.get(name) for name in defined} == defined
    others = table.keys() - defined.keys()
    for name in others:
        module, _, constant = name.rpartition(".")
        assert integers(module)[f"{module}.{constant}"] == table[name], name


def test_every_code_has_its_row() -> None:
    listed = [word for row in rows(TEXT, "code") for word in words(row["code"])]
    assert len(listed) == len(set(listed))
    files = [file for folder in SOURCES for file in (ROOT / folder).glob("*.py")]
    raised = {
        code
        for file in files
        for code in codes_in(ast.parse(file.read_text()))
        if isinstance(code, str) and code.startswith(("signal-", "webrtc-"))
    }
    in_text = set(re.findall(r"`(webrtc-sdp)`", TEXT))
    assert raised == set(listed) | in_text
