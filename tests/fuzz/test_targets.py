"""Every decoder under mutated inputs: 100,000 in all, the same in every run.

`scripts/nightly` goes on where this stops: millions, guided by coverage.
"""

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt.errors import Malformed
from tests.fuzz.mutation import join_frames, split_frames
from tests.fuzz.target import OverLimit, Target
from tests.fuzz.targets import BY_NAME, TARGETS

ROOT = Path(__file__).parent.parent.parent
INPUTS_MIN = 100_000
MEASURED_ONE_IN = 8  # how much the process as a whole takes is measured always


@pytest.mark.parametrize("name", BY_NAME)
def test_nothing_but_our_own_refusals_and_no_call_over_its_limits(name: str) -> None:
    target = BY_NAME[name]
    inputs = target.inputs_of(Random(name), target.inputs)
    assert len(inputs) == target.inputs
    for number, data in enumerate(inputs):
        try:
            target.call(data)
            if number % MEASURED_ONE_IN == 0:
                target.measure(data)
        except BaseException as fault:  # a panic of a Rust library is no Exception
            fault.add_note(f"{name}, input {number}: {len(data)} bytes, {data[:1_000].hex()}")
            raise


@pytest.mark.parametrize("name", BY_NAME)
@settings(
    max_examples=50,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(random=st.randoms(use_true_random=False), noise=st.binary(max_size=200))
def test_what_hypothesis_makes_of_the_seeds(name: str, random: Random, noise: bytes) -> None:
    target = BY_NAME[name]
    target.call(target.mutated(random))
    target.call(noise)


def test_there_are_100_000_inputs() -> None:
    assert sum(target.inputs for target in TARGETS) >= INPUTS_MIN
    assert len(BY_NAME) == len(TARGETS)


@pytest.mark.parametrize("name", BY_NAME)
def test_some_inputs_are_taken_and_others_are_not(name: str) -> None:
    """Else the seeds or the mutations miss what the door is about."""
    target = BY_NAME[name]
    verdicts = {target.call(data) for data in target.inputs_of(Random(name), 400)}
    one_only = {"stream": {False}}  # every stream ends, and that is told
    wanted = one_only.get(name, {True, False} if target.refusals else {True})
    assert verdicts == wanted


# ── that the limits and the table hold ───────────────────────────────────────────────────────────


def busy(data: bytes) -> None:
    until_s = time.thread_time() + 0.05
    while time.thread_time() < until_s:
        pass


def target_of(door: object, **limits: float) -> Target:
    assert callable(door)
    # limits: of several types, which ** cannot tell apart.
    return Target("test", door, lambda: (b"a",), (Malformed,), **limits)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_a_call_that_takes_too_long_is_a_fault() -> None:
    assert target_of(busy).call(b"")
    with pytest.raises(OverLimit, match="s for 0 bytes"):
        target_of(busy, seconds=0.01).call(b"")


def test_a_call_that_takes_too_much_memory_is_a_fault() -> None:
    assert target_of(bytearray, memory_bytes=1 << 20).measure(bytes(1 << 19))
    with pytest.raises(OverLimit, match="bytes of memory"):
        target_of(bytearray, memory_bytes=1 << 18).measure(bytes(1 << 19))


def test_an_exception_that_is_not_ours_is_a_fault() -> None:
    def door(data: bytes) -> None:
        raise Malformed("no", "ours") if data else KeyError("not ours")

    assert not target_of(door).call(b"ours")
    with pytest.raises(KeyError):
        target_of(door).call(b"")


@pytest.mark.parametrize("name", BY_NAME)
def test_inputs_are_the_same_in_every_run(name: str) -> None:
    target = BY_NAME[name]
    first, second = (target.inputs_of(Random(7), 40) for _ in range(2))
    assert first == second
    assert len(set(first)) > 20
    assert all(len(data) <= target.size_max for data in first)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_splitting_frames_undoes_joining_them(frames: list[bytes]) -> None:
    assert split_frames(join_frames(frames)) == frames


ELSEWHERE = {
    "decode_one_of": "through decode_frame and the like",
    "parse_allowlist": "read from the node's own configuration",
    "parse_petname": "typed by the node's own user",
    "parse_verbatim": "through convert",
    "parse_owner": "typed by the node's own user",
    "parse_id": "through parse_manifest and parse_reference",
}


def decoders() -> Iterator[str]:
    """Public functions of the cores that are named as those which take bytes or text apart."""
    for folder in ("crdt", "p2p", "registry"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and _is_decoder(node):
                    yield node.name
    yield from ("read_code", "read_contents")  # of node: what is handed over outside of a session


def _is_decoder(node: ast.FunctionDef) -> bool:
    if node.name.startswith(("decode_", "parse_")) or node.name in ("unseal", "read_outline"):
        return True
    first = node.args.args[0].annotation if node.args.args else None
    is_bytes = isinstance(first, ast.Name) and first.id == "bytes"
    return is_bytes and node.name in ("read_change", "check_chunks", "check_sync", "check_payload")


def test_every_decoder_has_its_door() -> None:
    doors = "".join(path.read_text() for path in Path(__file__).parent.glob("*_doors.py"))
    found = set(decoders())
    assert len(found) > 20
    assert ELSEWHERE.keys() <= found
    assert found - set(re.findall(r"\w+", doors)) == ELSEWHERE.keys()
