"""What a process makes once and keeps, modules above all, is nothing for the garbage collector."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def kept() -> Generator[None]:
    """No collection looks at what is made within: not now, not later, not when the process ends.

    Of the CPU time that importing the daemon and ending again takes, a third went there: a module
    brings hundreds of objects, and whenever some came, all were looked at for garbage.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
