"""Identity, signed entries, capabilities, and the documents that entries carry. No IO.

Import from the module that holds what you want: `crdt.keys` must not load Automerge.
"""
