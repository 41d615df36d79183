"""How much memory parts of a node take, with all that only they lead to.

Exact, and the same in every run; but it sees nothing of what a library keeps outside of Python,
for which there is the size of the process.
"""

import gc
import sys
from asyncio import AbstractEventLoop
from collections.abc import Iterable
from types import CodeType, FrameType, FunctionType, ModuleType

# Of the program, not of what it holds.
CODE = (type, ModuleType, FrameType, CodeType, AbstractEventLoop)


def size_of(roots: Iterable[object], *, but: tuple[type, ...] = ()) -> int:
    """Bytes of these objects and all that they lead to, each once.

    `but`: types of the simulator, which a node's callbacks lead to, and what lies behind them.
    """
    outside = (*CODE, *but)
    done = set[int]()
    size, todo = 0, list(roots)
    while todo:
        one = todo.pop()
        if id(one) in done or isinstance(one, outside):
            continue
        done.add(id(one))
        size += sys.getsizeof(one)
        if isinstance(one, FunctionType):  # else by its globals to all there is
            todo += [*(one.__closure__ or ()), *(one.__defaults__ or ())]
        else:
            todo += gc.get_referents(one)
    return size
