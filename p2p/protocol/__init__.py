"""Sans-IO protocol cores, one conversation each; `session` wires them together.

errors · frames · handshake · greeting · grants · ranges · reconcile · offer · pull · serve · fetch
"""
