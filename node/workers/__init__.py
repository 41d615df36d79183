"""Child processes for what may hang, blow up or abort: judging, compiling and running modules.

Nothing is re-exported: each child imports this package, and must not load asyncio with it.
"""
