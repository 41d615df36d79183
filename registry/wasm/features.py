"""The features of WebAssembly that Panspermia takes, said in full.

wasmtime's defaults move with its version, its properties cannot be read back, and two nodes whose
features differ disagree about modules. So every property is set here, and every verdict carries
this set's digest. Of 83 published modules that validate with every feature on, 80 validate with
this set; the other three need threads.

A bad mix aborts the process in `Engine()` (SIMD off with relaxed SIMD on; reference types off),
which is why no part of this is configurable.
"""

import hashlib
from collections.abc import Mapping

PINNED: Mapping[str, bool] = {
    "bulk_memory": True,
    "component_model": False,
    "component_model_implements": False,
    "component_model_map": False,
    "custom_page_sizes": False,
    "exceptions": False,
    "function_references": False,
    "gc": False,
    "memory64": False,
    "multi_memory": False,
    "multi_value": True,
    "reference_types": True,
    "relaxed_simd": False,
    "simd": True,
    "stack_switching": False,
    "tail_call": False,
    "threads": False,
    "wide_arithmetic": False,
}


def feature_digest(features: Mapping[str, bool]) -> str:
    """16 hex digits; equal digests and checkers mean that two nodes must agree."""
    said = ",".join(f"{name}={on:d}" for name, on in sorted(features.items()))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def checker() -> str:
    """The name and version of what judges, without loading it."""
    from importlib.metadata import version  # mail's headers come with it: who runs needs none

    return f"wasmtime {version('wasmtime')}"
