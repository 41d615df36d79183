"""What the end-to-end tests speak of: nodes, commands that ran, modules made for a test."""

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from node.client import Client
from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from node.text import full_name

# An acknowledged change reaches a connected peer at once; this is for a machine under load.
ARRIVE_S = 30.0

COMMAND_S = 120.0


class StartNode(Protocol):
    """`node("alice", peers=[bob])`: the same name again is the same home again."""

    def __call__(self, name: str, *flags: str, peers: tuple[LocalNode, ...] = ()) -> LocalNode: ...


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, with its JSON: the last line, and all of them."""

    code: int
    lines: tuple[dict[str, Any], ...]
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        return self.lines[-1]


@contextmanager
def hearing_interrupts() -> Generator[None]:
    """What starts here does not ignore Ctrl-C, as all does that a shell put in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Shell(Protocol):
    def __call__(self, at: LocalNode | Path, *args: str, input: str | None = None) -> Ran: ...


def has_modules(client: Client, names: list[str]) -> Callable[[], Json | None]:
    """For `wait_for`: the page of modules, once it lists all of `names`."""

    def look() -> Json | None:
        page = client.get("/api/modules")
        return page if set(map(full_name, page["modules"])) >= set(names) else None

    return look


def wait_for_modules(at: LocalNode, names: list[str]) -> Json:
    what = f"{at.name} to hold {len(names)} modules"
    return wait_for(what, ARRIVE_S, has_modules(at.client, names))


def wait_until_met(at: LocalNode, other: LocalNode) -> None:
    """A node is ready before it has met anybody, and asks for a blob whoever is there by then."""

    def look() -> bool | None:
        peers = at.client.get("/api/peers")["peers"]
        return any((one["did"], one["state"]) == (other.did, "connected") for one in peers) or None

    wait_for(f"{at.name} to meet {other.name}", ARRIVE_S, look)


def make_module(folder: Path, id: str, version: str, wasm: bytes, extra: str = "") -> Path:
    """A module's folder with the least that can be published."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "m.wasm").write_bytes(wasm)
    (folder / "gen.toml").write_text(
        f'[module]\nid = "{id}"\nname = "m"\nversion = "{version}"\n'
        f'description = "For a test"\nlicense = "MIT"\ntags = ["test"]\nwasm = "m.wasm"\n{extra}'
    )
    return folder


# (module (func (export "answer") (result i32) i32.const 42)), with any number in place of 42.
def answering(number: int) -> bytes:
    assert 0 <= number < 64  # one byte of signed LEB128
    head = bytes.fromhex("0061736d01000000 0105016000017f 03020100 070a0106616e737765720000")
    return head + bytes.fromhex("0a06010400 41") + bytes([number]) + bytes([0x0B])
