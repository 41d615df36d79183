"""WebAssembly modules: outline, limits, verdict, allow-list, and the plan of linking them.

Nothing here compiles or runs a module; only `validate` loads wasmtime, and only a child does that.
"""
