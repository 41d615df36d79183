"""Small modules for tests: gen.toml texts and the WASM they name."""

import base64
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import wasmtime

ADD = '(module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))'
NOTHING = "(module)"


def calling(id: str) -> str:
    """Doubles by the `add` of another module."""
    return (
        f'(module (import "{id}" "add" (func $add (param i32 i32) (result i32)))'
        ' (func (export "double") (param i32) (result i32)'
        " local.get 0 local.get 0 call $add))"
    )


@cache
def wasm(text: str = ADD) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


def manifest(id: str, version: str, needs: Mapping[str, str]) -> str:
    lines = [
        "[module]",
        f'id = "{id}"',
        f'version = "{version}"',
        'description = "adds two numbers"',
        'license = "MIT"',
        'tags = ["math"]',
        'wasm = "add.wasm"',
        "[dependencies]",
        *(f'"{name}" = "{range}"' for name, range in needs.items()),
    ]
    return "\n".join(lines)


def new_module(
    id: str = "org.example.add",
    version: str = "1.0.0",
    text: str = ADD,
    *,
    needs: Mapping[str, str] = MappingProxyType({}),
    dry_run: bool = False,
) -> dict[str, Any]:
    """The body of POST /api/modules."""
    return {
        "manifest": manifest(id, version, needs),
        "wasm": base64.b64encode(wasm(text)).decode(),
        "readme": "# Add",
        "dry_run": dry_run,
    }
