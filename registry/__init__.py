"""Modules: manifests, versions, ranges, the resolver, records and plans. Plain functions, no IO.

Nothing is re-exported: a validator's child process imports `registry.wasm` and must not load the
solver and Automerge with it.
"""
