"""Whether bytes are a Python pickle: its instructions are read one by one, and none is carried out.

A pickle is a program for a stack machine. `pickletools` knows what each instruction takes from
the file and does to the stack; bytes that keep to that until the end, or until something
would be imported and called, are one. A word at the start of a text soon breaks the rules.
"""

import pickletools
from io import BytesIO
from typing import Final

STEPS_MAX: Final = 10_000  # instructions looked at; nothing else keeps to the rules for so long
STEPS_MIN: Final = 3  # a text may be "N." by chance; what pickles hold takes a memo or a container
_OPCODES: Final = {each.code.encode("latin-1"): each for each in pickletools.opcodes}
_PROTOCOL: Final = b"\x80"
_PROTOCOL_MAX: Final = 5
_IMPORTS: Final = frozenset(
    {"GLOBAL", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}
)
_CALLS: Final = frozenset({"REDUCE", "BUILD", "OBJ", "NEWOBJ", "NEWOBJ_EX"})
_STORES: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})  # leave the stack as it is


def reads_as_pickle(head: bytes, *, is_cut: bool) -> bool:
    """`head`: the first bytes, unpacked; `is_cut` where more follow: then an end proves nothing."""
    if head[:1] not in _OPCODES:
        return False
    has_protocol = head.startswith(_PROTOCOL)
    if has_protocol and (len(head) < 3 or head[1] > _PROTOCOL_MAX):
        return False
    return _walk(BytesIO(head), at_cut=is_cut, has_protocol=has_protocol)


def _walk(source: BytesIO, *, at_cut: bool, has_protocol: bool) -> bool:
    stack: list[bool] = []  # of each thing whether it is a mark
    imports = False
    for step in range(STEPS_MAX):
        code = source.read(1)
        if not code:
            return at_cut and (has_protocol or step >= STEPS_MIN)
        opcode = _OPCODES.get(code)
        if opcode is None:
            return False
        try:
            argument = _argument(opcode, source)
        except ValueError:  # also that the bytes end in the middle of it
            return at_cut and (has_protocol or step >= STEPS_MIN)
        if not _act(opcode, stack):
            return False
        if opcode.name in ("GLOBAL", "INST") and not _can_be_imported(str(argument)):
            return False
        imports = imports or opcode.name in _IMPORTS
        if opcode.name == "INST" or (imports and opcode.name in _CALLS):
            return True
        if opcode.name == "STOP":
            return not stack and step + 1 >= STEPS_MIN
    return True


def _argument(opcode: pickletools.OpcodeInfo, source: BytesIO) -> object:
    """Lines as they stand: the readers of those would undo escapes. Raises `ValueError`."""
    if opcode.arg is None:
        return None
    if opcode.arg is pickletools.stringnl_noescape_pair:
        return f"{_line(source)} {_line(source)}"
    if opcode.arg is pickletools.stringnl_noescape:
        return _line(source)
    if opcode.arg is pickletools.stringnl:
        quoted = _line(source)
        if len(quoted) < 2 or quoted[0] not in "'\"" or quoted[-1] != quoted[0]:
            raise ValueError("no string in quotes")
        return quoted
    return opcode.arg.reader(source)


def _line(source: BytesIO) -> str:
    line = source.readline()
    if not line.endswith(b"\n"):
        raise ValueError("the line has no end")
    return line[:-1].decode("latin-1")


def _act(opcode: pickletools.OpcodeInfo, stack: list[bool]) -> bool:
    """What it takes from the stack and puts there; False where that is not on it."""
    if opcode.name in _STORES:
        return bool(stack)
    if pickletools.markobject in opcode.stack_before:
        if True not in stack:
            return False
        while not stack.pop():
            pass
        below = opcode.stack_before.index(pickletools.markobject)
        if len(stack) < below:
            return False
        del stack[len(stack) - below :]
    else:
        taken = len(opcode.stack_before)
        if len(stack) < taken:
            return False
        del stack[len(stack) - taken :]
    stack += [each is pickletools.markobject for each in opcode.stack_after]
    return True


def _can_be_imported(what: str) -> bool:
    """`what`: a module and a name in it, a space between."""
    words = what.split(" ")
    return len(words) == 2 and all(
        part.isidentifier() for word in words for part in word.split(".")
    )
