"""Whether bytes are a Python pickle: its instructions are read one by one, and none is carried out.

A pickle is a program for a stack machine. `pickletools` knows what each instruction takes from
the file and does to the stack; bytes that keep to that until the end, or until something
would be imported and called, are one. A word at the start of a text soon breaks the rules.
"""

import pickletools
import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

STEPS_MAX: Final = 10_000  # instructions looked at, each in constant time
STEPS_MIN: Final = 3  # a text may be "N." by chance; what pickles hold takes a memo or a container
_OPCODES: Final = {each.code.encode("latin-1"): each for each in pickletools.opcodes}
_PROTOCOL: Final = b"\x80"
_PROTOCOL_MAX: Final = 5
_IMPORTS: Final = frozenset(
    {"GLOBAL", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}
)
_CALLS: Final = frozenset({"REDUCE", "BUILD", "OBJ", "NEWOBJ", "NEWOBJ_EX"})
_STORES: Final = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})  # leave the stack as it is
# What would still be imported: two lines of one word each, or STACK_GLOBAL. Linear in any bytes.
_NAMES: Final = re.compile(rb"\S\n\S++\n|\x93")


@dataclass(slots=True)
class _Stack:
    """How much is on it, and where the marks are: the things themselves say nothing."""

    depth: int = 0
    marks: list[int] = field(default_factory=list[int])

    def act(self, opcode: pickletools.OpcodeInfo) -> bool:
        """Take and put what it does; False where what it takes is not there. At most one mark."""
        if opcode.name in _STORES:
            return self.depth > 0
        taken = len(opcode.stack_before)
        if pickletools.markobject in opcode.stack_before:
            if not self.marks:
                return False
            self.depth = self.marks.pop()
            taken = opcode.stack_before.index(pickletools.markobject)
        if self.depth < taken:
            return False
        self.depth -= taken
        while self.marks and self.marks[-1] >= self.depth:  # a mark can be taken as any other thing
            self.marks.pop()
        if pickletools.markobject in opcode.stack_after:
            self.marks.append(self.depth)
        self.depth += len(opcode.stack_after)
        return True


def reads_as_pickle(head: bytes, *, is_cut: bool) -> bool:
    """`head`: the first bytes, unpacked; `is_cut` where more follow: then an end proves nothing."""
    if head[:1] not in _OPCODES:
        return False
    has_protocol = head.startswith(_PROTOCOL)
    if has_protocol and (len(head) < 3 or head[1] > _PROTOCOL_MAX):
        return False
    return _walk(BytesIO(head), at_cut=is_cut, has_protocol=has_protocol)


def _walk(source: BytesIO, *, at_cut: bool, has_protocol: bool) -> bool:
    stack = _Stack()
    imports = holds = False
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
        if not stack.act(opcode):
            return False
        holds = holds or opcode.name in _STORES or pickletools.markobject in opcode.stack_before
        if opcode.name in ("GLOBAL", "INST") and not _can_be_imported(str(argument)):
            return False
        imports = imports or opcode.name in _IMPORTS
        if opcode.name == "INST" or (imports and opcode.name in _CALLS):
            return True
        if opcode.name == "STOP":
            return not stack.depth and step + 1 >= STEPS_MIN
    # A text can repeat one letter that is an instruction: it then holds nothing and names nothing.
    rest = source.getbuffer()[source.tell() :]
    return has_protocol or imports or holds or _NAMES.search(rest) is not None


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


def _can_be_imported(what: str) -> bool:
    """`what`: a module and a name in it, a space between."""
    words = what.split(" ")
    return len(words) == 2 and all(
        part.isidentifier() for word in words for part in word.split(".")
    )
