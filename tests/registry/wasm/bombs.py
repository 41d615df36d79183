"""Small modules that are dear to validate or to compile, and a builder for odd ones."""

from collections.abc import Callable

HEADER = b"\0asm\1\0\0\0"
END = b"\x0b"


def uleb(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def section(number: int, body: bytes) -> bytes:
    return bytes([number]) + uleb(len(body)) + body


def text(name: str) -> bytes:
    return uleb(len(name.encode())) + name.encode()


def importing(module: str, name: str) -> bytes:
    """A module whose only import is a function of type () -> ()."""
    imports = section(2, b"\1" + text(module) + text(name) + b"\0\0")
    return HEADER + section(1, b"\1\x60\0\0") + imports


def exporting(name: str) -> bytes:
    return functions([b"\0" + END], section(7, b"\1" + text(name) + b"\0\0"))


def functions(bodies: list[bytes], exports: bytes = b"") -> bytes:
    """Functions of type () -> (); a body begins with its local declarations."""
    count = uleb(len(bodies))
    code = count + b"".join(uleb(len(body)) + body for body in bodies)
    types = section(1, b"\1\x60\0\0")
    return HEADER + types + section(3, count + bytes(len(bodies))) + exports + section(10, code)


def nested(depth: int) -> bytes:
    return functions([b"\0" + b"\x02\x40" * depth + END * (depth + 1)])


# Refused by the outline, with what the verdict must name.
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "2,000,000 nested blocks": (lambda: nested(2_000_000), "bytes in one function"),
    "1,000,000 empty functions": (lambda: functions([b"\0" + END] * 1_000_000), "functions"),
    "20,000 functions of 50,000 locals": (
        lambda: functions([b"\1" + uleb(50_000) + b"\x7f" + END] * 20_000),
        "locals",
    ),
    "locals in a million empty runs": (
        lambda: functions([uleb(100_000) + b"\0\x7f" * 100_000 + END] * 11),
        "locals",
    ),
    "1,000,000 if/else in a row": (
        lambda: functions([b"\0" + b"\x41\0\x04\x40\x05\x0b" * 1_000_000 + END]),
        "bytes in one function",
    ),
    "900,000 types in one group": (
        lambda: HEADER + section(1, b"\1\x4e" + uleb(900_000) + b"\x60\0\0" * 900_000),
        "bytes of types",
    ),
    "100,000 imports": (
        lambda: (
            HEADER + section(1, b"\1\x60\0\0") + section(2, uleb(100_000) + b"\1a\1b\0\0" * 100_000)
        ),
        "imports",
    ),
    "4,000,000,000 imports claimed": (
        lambda: HEADER + section(2, uleb(4_000_000_000)),
        "imports",
    ),
    "100,000 exports of one function of 1,000 parameters": (
        lambda: (
            HEADER
            + section(1, b"\1\x60" + uleb(1_000) + b"\x7f" * 1_000 + b"\0")
            + section(3, b"\1\0")
            + section(7, uleb(100_000) + b"".join(b"\6%06d\0\0" % n for n in range(100_000)))
            + section(10, b"\1\2\0" + END)
        ),
        "values in signatures",
    ),
    "a custom section of 9 MB": (
        lambda: HEADER + section(0, b"\1x" + bytes(9_000_000)),
        "bytes of custom sections",
    ),
    "1,000,000 empty custom sections": (
        lambda: HEADER + section(0, b"\0") * 1_000_000,
        "custom sections",
    ),
    "a memory of 4 GiB": (
        lambda: HEADER + section(5, b"\1\0" + uleb(65_536)),
        "pages of memory",
    ),
    "two code sections": (
        lambda: functions([b"\0" + END]) + section(10, b"\1\2\0" + END),
        "second code section",
    ),
}

# Within the limits: they validate at once, and compiling them must end by the clock or by memory.
ADMITTED: dict[str, Callable[[], bytes]] = {
    "349,000 nested blocks": lambda: nested(349_000),
    "520,000 calls": lambda: functions([b"\0" + b"\x10\0" * 520_000 + END]),
    "100,000 empty functions": lambda: functions([b"\0" + END] * 100_000),
}
