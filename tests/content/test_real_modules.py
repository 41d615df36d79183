"""Modules that other people published go through our checks, and two of them run.

`real_modules.json` pins what each archive and each file must be. blake2b and lodepng are driven by
small modules of ours that import them, so that what runs is what a dependent of theirs would run.
"""

import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import wasmtime

from node.workers.workers import Workers, open_workers
from registry.wasm.verdict import CARRY, Policy
from tests.content.conftest import REAL_MODULES, Fetch, RealModule

pytestmark = [pytest.mark.registry, pytest.mark.asyncio(loop_scope="module")]

BY_PACKAGE = {module.package: module for module in REAL_MODULES}
PERMISSIVE = {"MIT", "BSD-3-Clause", "Apache-2.0"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers() -> AsyncIterator[Workers]:
    async with open_workers() as opened:
        yield opened


@pytest.mark.parametrize("module", REAL_MODULES, ids=[module.package for module in REAL_MODULES])
async def test_a_published_module(workers: Workers, fetch: Fetch, module: RealModule) -> None:
    assert module.license in PERMISSIVE
    wasm = fetch(module)
    carried = await workers.validate(wasm, CARRY)
    assert carried.ok, carried
    assert carried.size == module.size
    assert (carried.sha256, carried.blake3) == (module.sha256, module.blake3)
    assert Counter(each.module for each in carried.imports) == module.imports
    signatures = {each.name: each.type for each in carried.exports if each.kind == "function"}
    assert signatures.items() >= module.functions.items()
    offered = await workers.validate(wasm, Policy())
    assert offered.ok == module.runnable
    assert offered.code == ("valid" if module.runnable else "import-not-allowed")


@pytest.mark.parametrize("module", REAL_MODULES, ids=[module.package for module in REAL_MODULES])
async def test_a_published_module_cut_short(
    workers: Workers, fetch: Fetch, module: RealModule
) -> None:
    wasm = fetch(module)
    for size in (7, len(wasm) // 2, len(wasm) - 1):
        verdict = await workers.validate(wasm[:size], CARRY)
        assert (verdict.ok, verdict.code) == (False, "truncated"), verdict
        assert "byte " in verdict.where


async def test_what_runs_here_compiles_here(workers: Workers, fetch: Fetch) -> None:
    for package in ("@bitgo/blake2b-wasm", "@cwasm/lodepng", "lz4-wasm"):
        compiled = await workers.compile(fetch(BY_PACKAGE[package]))
        assert compiled.ok, compiled


def escaped(data: bytes) -> str:
    """As a string of the text format."""
    return "".join(f"\\{byte:02x}" for byte in data)


def hashing(data: bytes) -> bytes:
    """Hashes `data` with an imported blake2b: parameters at 0, state at 64, data from 344 on."""
    return bytes(
        wasmtime.wat2wasm(
            f"""(module
              (import "blake2b" "memory" (memory 1))
              (import "blake2b" "blake2b_init" (func $init (param i32 i32)))
              (import "blake2b" "blake2b_update" (func $update (param i32 i32 i32)))
              (import "blake2b" "blake2b_final" (func $final (param i32)))
              (data $input "{escaped(data)}")
              (func (export "hash") (result i64 i64 i64 i64)
                (drop (memory.grow (i32.const {len(data) // 65_536 + 1})))
                (memory.fill (i32.const 0) (i32.const 0) (i32.const 64))
                (i32.store (i32.const 0) (i32.const 0x01010020))
                (call $init (i32.const 64) (i32.const 32))
                (memory.init $input (i32.const 344) (i32.const 0) (i32.const {len(data)}))
                (call $update (i32.const 64) (i32.const 344) (i32.const {344 + len(data)}))
                (call $final (i32.const 64))
                (i64.load (i32.const 192)) (i64.load (i32.const 200))
                (i64.load (i32.const 208)) (i64.load (i32.const 216))))"""
        )
    )


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 100_000])
async def test_blake2b_hashes_as_python_does(workers: Workers, fetch: Fetch, size: int) -> None:
    data = bytes(each * 31 % 251 for each in range(size))
    modules = [("blake2b", fetch(BY_PACKAGE["@bitgo/blake2b-wasm"])), ("hashing", hashing(data))]
    outcome = await workers.run(modules, "hash")
    assert outcome.ok, outcome
    digest = b"".join(int(word).to_bytes(8, "little", signed=True) for word in outcome.results)
    assert digest == hashlib.blake2b(data, digest_size=32).digest()


def png(width: int, height: int, pixels: bytes) -> bytes:
    """8-bit RGBA, no filter."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    rows = (pixels[4 * width * row : 4 * width * (row + 1)] for row in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    image = zlib.compress(b"".join(b"\0" + row for row in rows))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", image) + chunk(b"IEND", b"")


def decoding(image: bytes) -> bytes:
    """Decodes `image` with an imported lodepng: error, width, height, and FNV-1a of the pixels."""
    return bytes(
        wasmtime.wat2wasm(
            f"""(module
              (import "lodepng" "memory" (memory 1))
              (import "lodepng" "_initialize" (func $start))
              (import "lodepng" "malloc" (func $malloc (param i32) (result i32)))
              (import "lodepng" "lodepng_decode32"
                (func $decode (param i32 i32 i32 i32 i32) (result i32)))
              (data $image "{escaped(image)}")
              (func (export "decode") (result i32 i32 i32 i64)
                (local $in i32) (local $out i32) (local $error i32)
                (local $at i32) (local $end i32) (local $hash i64)
                (call $start)
                (local.set $in (call $malloc (i32.const {len(image)})))
                (local.set $out (call $malloc (i32.const 12)))
                (memory.init $image (local.get $in) (i32.const 0) (i32.const {len(image)}))
                (local.set $error
                  (call $decode
                    (local.get $out)
                    (i32.add (local.get $out) (i32.const 4))
                    (i32.add (local.get $out) (i32.const 8))
                    (local.get $in)
                    (i32.const {len(image)})))
                (local.set $hash (i64.const 0xcbf29ce484222325))
                (if (i32.eqz (local.get $error)) (then
                  (local.set $at (i32.load (local.get $out)))
                  (local.set $end
                    (i32.add (local.get $at)
                      (i32.mul (i32.const 4)
                        (i32.mul
                          (i32.load offset=4 (local.get $out))
                          (i32.load offset=8 (local.get $out))))))
                  (loop $bytes
                    (local.set $hash
                      (i64.mul
                        (i64.xor (local.get $hash) (i64.load8_u (local.get $at)))
                        (i64.const 0x100000001b3)))
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br_if $bytes (i32.lt_u (local.get $at) (local.get $end))))))
                (local.get $error)
                (i32.load offset=4 (local.get $out))
                (i32.load offset=8 (local.get $out))
                (local.get $hash)))"""
        )
    )


def fnv1a(data: bytes) -> int:
    number = 0xCBF29CE484222325
    for byte in data:
        number = (number ^ byte) * 0x100000001B3 % (1 << 64)
    return number


async def test_lodepng_decodes_what_zlib_packed(workers: Workers, fetch: Fetch) -> None:
    width, height = 48, 33
    pixels = bytes(each * 7 % 256 for each in range(4 * width * height))
    lodepng = ("lodepng", fetch(BY_PACKAGE["@cwasm/lodepng"]))
    ours = ("decoding", decoding(png(width, height, pixels)))
    outcome = await workers.run([lodepng, ours], "decode")
    assert outcome.ok, outcome
    error, wide, high, hash = outcome.results
    assert (error, wide, high) == (0, width, height)
    assert int(hash) % (1 << 64) == fnv1a(pixels)


async def test_lodepng_refuses_a_broken_image(workers: Workers, fetch: Fetch) -> None:
    image = bytearray(png(2, 2, bytes(16)))
    image[-20] ^= 1  # in the compressed pixels: a checksum no longer fits
    lodepng = ("lodepng", fetch(BY_PACKAGE["@cwasm/lodepng"]))
    outcome = await workers.run([lodepng, ("decoding", decoding(bytes(image)))], "decode")
    assert outcome.ok, outcome
    assert outcome.results[0] != 0
