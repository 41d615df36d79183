"""Judging, compiling and running in children: good modules, bad ones, and children that end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
import wasmtime

from node.workers.messages import Outcome
from node.workers.workers import WorkerConfig, Workers, open_workers, unlimited
from registry.wasm.features import PINNED, feature_digest
from registry.wasm.verdict import Policy
from tests.registry.wasm.bombs import ADMITTED, REFUSED

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.asyncio(loop_scope="module")  # that of the children


def assembled(wat: str) -> bytes:
    return bytes(wasmtime.wat2wasm(wat))


ALICE = assembled(
    """(module
      (memory (export "memory") 1)
      (func (export "add") (param i32 i64) (result i64)
        (i64.add (i64.extend_i32_s (local.get 0)) (local.get 1)))
      (func (export "half") (param f32) (result f64) (f64.promote_f32 (local.get 0)))
      (func (export "swap") (param i32 i32) (result i32 i32) (local.get 1) (local.get 0))
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "spin") (loop (br 0)))
      (func $deep (export "deep") (call $deep))
      (func (export "trap") (unreachable))
      (func (export "vector") (param v128))
      (func (export "refer") (result externref) (ref.null extern)))"""
)
# Bob imports Alice's function, and has a memory of his own.
BOB = assembled(
    """(module
      (import "alice" "add" (func $add (param i32 i64) (result i64)))
      (memory 1)
      (func (export "twice") (param i64) (result i64)
        (call $add (i32.wrap_i64 (local.get 0)) (local.get 0))))"""
)


async def run(workers: Workers, export: str, *args: int | float) -> Outcome:
    return await workers.run([("alice", ALICE)], export, args, fuel=100_000, memory_bytes=1 << 20)


async def test_a_verdict_names_its_checker_and_features(workers: Workers) -> None:
    verdict = await workers.validate(ALICE)
    assert verdict.ok
    assert verdict.checker == workers.checker
    assert verdict.features == workers.features == feature_digest(PINNED)


async def test_bad_modules_are_verdicts_and_the_child_lives_on(workers: Workers) -> None:
    for wasm in (b"(module)", b"", ALICE[:40], b"\0asm\x0d\0\1\0"):
        assert not (await workers.validate(wasm)).ok
    too_large = await workers.validate(ALICE, Policy(size_bytes_max=10))
    assert (too_large.code, too_large.size) == ("too-large", len(ALICE))
    assert (await workers.validate(ALICE)).ok


@pytest.mark.parametrize("bomb", REFUSED)
async def test_a_bomb_is_refused(workers: Workers, bomb: str) -> None:
    build, named = REFUSED[bomb]
    verdict = await workers.validate(build(), Policy(size_bytes_max=16 << 20))
    assert (verdict.ok, named in verdict.detail) == (False, True), verdict


async def test_what_passes_the_limits_is_ended_by_the_clock() -> None:
    async with open_workers(WorkerConfig(compile_s=0.2)) as workers:
        await workers.compile(ALICE)  # the child's start has a clock of its own
        compiled = await workers.compile(ADMITTED["520,000 calls"]())
        assert compiled.code == "compiler-timeout"
        assert "over 0.2 s" in compiled.detail


async def test_what_passes_the_limits_is_ended_by_its_memory() -> None:
    async with open_workers(WorkerConfig(runner_bytes=400 << 20)) as workers:
        compiled = await workers.compile(ADMITTED["349,000 nested blocks"]())
        assert compiled.code == "compiler-died", compiled
        assert (await workers.compile(ALICE)).ok, "another child took its place"


async def test_results_of_every_number_type(workers: Workers) -> None:
    assert (await run(workers, "add", -1, 3)).results == (2,)
    assert (await run(workers, "add", (1 << 32) - 1, (1 << 64) - 1)).results == (-2,)
    assert (await run(workers, "half", 0.5)).results == (0.5,)
    assert (await run(workers, "half", 3)).results == (3.0,)
    swapped = await run(workers, "swap", 1, 2)
    assert (swapped.results, swapped.ok, swapped.code) == ((2, 1), True, "ok")
    assert swapped.fuel_used
    assert swapped.memory_bytes == 65_536


@pytest.mark.parametrize(
    ("export", "args", "code", "detail"),
    [
        ("nothing", (), "no-such-export", "'alice' exports no function 'nothing', but add, half"),
        ("memory", (), "no-such-export", "no function 'memory'"),
        ("add", (1,), "wrong-arguments", "1 arguments given, the export takes (i32, i64)"),
        ("add", (1 << 32, 0), "wrong-arguments", "argument 1 (4294967296) is no i32"),
        ("add", (0.5, 0), "wrong-arguments", "argument 1 (0.5) is no i32"),
        ("add", (0, 1 << 64), "wrong-arguments", "argument 2 has over 64 bits"),
        ("add", (0,) * 1_001, "wrong-arguments", "1001 arguments"),
        ("add", (True, 0), "wrong-arguments", "argument 1 ('True') is no number"),
        ("half", (1e39,), "wrong-arguments", "argument 1 (1e+39) is no f32"),
        ("half\udcff", (1.0,), "no-such-export", "'half\\udcff' is no name"),
        ("vector", (0,), "unsupported-type", "argument 1 is a v128"),
        ("refer", (), "unsupported-type", "a result of type externref"),
        ("trap", (), "trap", "unreachable"),
        ("deep", (), "trap", "stack"),
        ("spin", (), "out-of-fuel", "fuel"),
    ],
)
async def test_how_a_call_fails(
    workers: Workers, export: str, args: tuple[int | float, ...], code: str, detail: str
) -> None:
    outcome = await workers.run([("alice", ALICE)], export, args, fuel=1_000_000)
    assert (outcome.ok, outcome.code, outcome.results) == (False, code, ()), outcome
    assert detail in outcome.detail


async def test_a_deadline_ends_what_fuel_does_not(workers: Workers) -> None:
    outcome = await workers.run([("a", ALICE)], "spin", fuel=1 << 60, deadline_s=0.1)
    assert (outcome.code, outcome.fuel_used) == ("deadline", None)
    assert 90 < outcome.duration_ms < 10_000


async def test_memory_is_shared_out(workers: Workers) -> None:
    alone = await workers.run([("alice", ALICE)], "grow", [15], memory_bytes=16 << 16)
    assert alone.results == (1,)
    assert alone.memory_bytes == 16 << 16
    together = [("bob", BOB), ("alice", ALICE)]
    half = await workers.run(together, "grow", [15], memory_bytes=16 << 16)
    assert half.results == (-1,), "two memories share what one had alone"
    none = await workers.run(together, "grow", [0], memory_bytes=65_536)
    assert (none.code, "memory" in none.detail) == ("out-of-memory", True)


async def test_modules_are_linked_by_their_ids(workers: Workers) -> None:
    both = [("bob", BOB), ("alice", ALICE)]
    outcome = await workers.run(both, "twice", [21], target="bob")
    assert outcome.results == (42,)
    alone = await workers.run([("bob", BOB)], "twice", [21])
    assert alone.code == "unlinkable"
    assert "'bob' imports 'add' of 'alice'" in alone.detail
    assert (await workers.run(both, "twice", [21], target="carol")).code == "unlinkable"
    assert (await workers.run([], "twice")).code == "unlinkable"


async def test_what_only_the_engine_can_compare(workers: Workers) -> None:
    """The plan compares kinds and signatures; sizes of memories are the engine's business."""
    large = assembled('(module (import "alice" "memory" (memory 9)) (func (export "f")))')
    outcome = await workers.run([("alice", ALICE), ("large", large)], "f")
    assert (outcome.code, "memory types incompatible" in outcome.detail) == ("unlinkable", True)
    wide = assembled('(module (table 9000000 funcref) (func (export "f")))')
    outcome = await workers.run([("wide", wide)], "f")
    assert (outcome.code, "table" in outcome.detail) == ("out-of-memory", True)


async def test_data_of_any_size_is_laid_out(workers: Workers) -> None:
    """Where the engine would map it from a file, it could not: the runner writes none."""
    text = "x" * 200_000
    wasm = assembled(
        f'''(module (memory 4) (data (i32.const 0) "{text}")
          (func (export "last") (result i32) (i32.load8_u (i32.const 199999))))'''
    )
    assert (await workers.run([("a", wasm)], "last")).results == (ord("x"),)


async def test_a_module_that_is_none_does_not_run(workers: Workers) -> None:
    outcome = await workers.run([("a", b"(module)")], "f")
    assert (outcome.code, "'a': begins with text" in outcome.detail) == ("invalid-wasm", True)
    broken = assembled('(module (func (export "f")))')[:-1] + b"\x6a"
    assert (await workers.run([("a", broken)], "f")).code == "not-compilable"


async def test_a_valid_module_may_not_be_compilable(workers: Workers) -> None:
    """A jump table over the compiler's limit validates, and is refused when it is installed."""
    targets = " ".join(["0"] * 70_000)
    wasm = assembled(f"(module (func (block (br_table {targets} (i32.const 0)))))")
    assert (await workers.validate(wasm)).ok
    compiled = await workers.compile(wasm)
    assert (compiled.ok, compiled.code) == (False, "not-compilable")
    assert (await workers.compile(b"(module)")).code == "not-wasm"


async def test_the_host_offers_memory_and_a_blind_wasi(workers: Workers) -> None:
    host = assembled(
        """(module
          (import "env" "memory" (memory 1))
          (import "wasi_snapshot_preview1" "args_sizes_get"
            (func $args (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_prestat_get"
            (func $open (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (export "memory" (memory 0))
          (func (export "arguments") (result i32)
            (drop (call $args (i32.const 0) (i32.const 4))) (i32.load (i32.const 0)))
          (func (export "folder") (result i32) (call $open (i32.const 3) (i32.const 0)))
          (func (export "exit") (param i32) (call $exit (local.get 0))))"""
    )
    assert (await workers.run([("a", host)], "arguments")).results == (0,)
    badf = 8  # WASI's errno for "no such descriptor"
    assert (await workers.run([("a", host)], "folder")).results == (badf,)
    assert (await workers.run([("a", host)], "exit", [0])).ok
    assert (await workers.run([("a", host)], "exit", [3])).detail == "the program exited with 3"
    assert (await workers.run([("a", host)], "exit", [255])).code == "exited"
    fork = '(import "wasi_snapshot_preview1" "fork" (func))'
    unknown = assembled(f'(module {fork} (func (export "f")))')
    assert "does not offer" in (await workers.run([("a", unknown)], "f")).detail


async def test_a_program_cannot_sleep_past_its_deadline(workers: Workers) -> None:
    hour_ns = 3_600 * 10**9
    sleep = b"".join(n.to_bytes(8, "little") for n in (1, 0, 1, hour_ns, 0, 0)).hex()
    data = "".join(f"\\{sleep[at : at + 2]}" for at in range(0, len(sleep), 2))
    wasm = assembled(
        f'''(module
          (import "wasi_snapshot_preview1" "poll_oneoff"
            (func $poll (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 0) "{data}")
          (func (export "sleep") (result i32)
            (call $poll (i32.const 0) (i32.const 1000) (i32.const 1) (i32.const 2000))))'''
    )
    outcome = await workers.run([("a", wasm)], "sleep", deadline_s=5)
    notsup = 58  # WASI's errno for "not supported"
    assert outcome.results == (notsup,)
    assert outcome.duration_ms < 5_000


async def test_what_is_spent_is_not_told_where_the_engine_forgot_it(workers: Workers) -> None:
    assert (await run(workers, "trap")).fuel_used is None
    assert (await run(workers, "spin")).fuel_used == 100_000


async def test_nothing_outlives_a_call(workers: Workers) -> None:
    counter = assembled(
        """(module (global $n (mut i32) (i32.const 0))
          (func (export "count") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"""
    )
    for _ in range(3):
        assert (await workers.run([("a", counter)], "count")).results == (1,)


@pytest.mark.parametrize(
    ("fuel", "memory_bytes", "deadline_s"),
    [(-1, 1, 1.0), (1 << 64, 1, 1.0), (1, -1, 1.0), (1, 1 << 40, 1.0), (1, 1, 0.0),
     (1, 1, float("nan")), (1, 1, float("inf"))],
)  # fmt: skip
async def test_limits_that_are_none(fuel: int, memory_bytes: int, deadline_s: float) -> None:
    outcome = unlimited(fuel, memory_bytes, deadline_s)
    assert outcome is not None
    assert outcome.code == "wrong-limits"


async def test_a_validator_that_hangs_is_a_verdict() -> None:
    async with open_workers(WorkerConfig(validate_s=1e-9)) as workers:
        verdict = await workers.validate(ALICE)
    assert (verdict.ok, verdict.code, verdict.size) == (False, "validator-timeout", len(ALICE))
    assert verdict.detail == "the validator took over 1e-09 s"
    assert (verdict.checker, verdict.features) == (workers.checker, workers.features)


async def test_a_validator_that_cannot_live_is_a_verdict() -> None:
    async with open_workers(WorkerConfig(validator_bytes=32 << 20)) as workers:
        verdict = await workers.validate(ALICE)
    assert (verdict.ok, verdict.code) == (False, "validator-died")
    assert verdict.detail.startswith("the validator ended ")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_a_killed_validator_is_replaced(workers: Workers) -> None:
    assert (await workers.validate(ALICE)).ok
    first = workers.pids[0]
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert (await workers.validate(ALICE)).ok or (await workers.validate(ALICE)).ok
    assert workers.pids[0] not in (None, first)


async def test_a_cancelled_run_leaves_no_answer_behind(workers: Workers) -> None:
    assert (await run(workers, "add", 1, 1)).ok
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await workers.run([("a", ALICE)], "spin", fuel=1 << 60, deadline_s=30)
    assert (await run(workers, "add", 1, 1)).results == (2,)


async def test_children_end_with_the_block() -> None:
    async with open_workers() as workers:
        assert (await workers.validate(ALICE)).ok
        assert (await run(workers, "add", 1, 1)).ok
        pids = workers.pids
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    verdict = await workers.validate(ALICE)
    assert (verdict.code, "closed" in verdict.detail) == ("validator-died", True)


async def test_it_works_from_the_one_folder_of_a_wheel(tmp_path: Path) -> None:
    """Installed, `node/` lies in a folder that only the launcher puts on the path."""
    installed = tmp_path / "site-packages" / "panspermia"
    installed.mkdir(parents=True)
    for part in ("node", "registry", "crdt", "storage", "p2p", "universe"):
        (installed / part).symlink_to(ROOT / part)
    program = (
        "import sys, asyncio; sys.path.insert(0, sys.argv[1])\n"
        "from node.workers.workers import open_workers\n"
        "async def main():\n"
        "    async with open_workers() as workers:\n"
        "        print(await workers.validate(b'(module)'))\n"
        "asyncio.run(main())\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", program, str(installed),
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await child.communicate()
    assert out.startswith(b"not-wasm: begins with text")


async def test_a_child_starts_without_what_only_its_parent_uses() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import node.workers.child, node.workers.evaluating, node.workers.execution\n"
        "import registry.wasm.validate\n"
        "print(*sys.modules)"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", program, str(ROOT), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    loaded = set(out.decode().split())
    assert "registry.wasm.validate" in loaded
    assert not loaded & {"asyncio", "automerge", "nab_resolver", "node.workers.workers", "sqlite3"}
