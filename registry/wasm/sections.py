"""The outline of a WebAssembly module, read from its sections without compiling anything.

    \\0asm 01 00 00 00 | id (1 byte) size (LEB128) body | id size body | …

Gives imports and exports with their types, and bounds everything that is dear to validate or to
compile. That the module is valid, `validate` tells. It takes about 5 microseconds a function, and
its counts are checked before anything is read or allocated for them.
Source: WebAssembly Core Specification 3.0, section 5 (binary format).
"""

from dataclasses import dataclass, field

from registry.wasm.errors import Refused
from registry.wasm.limits import Limits
from registry.wasm.reader import Reader

MAGIC, CORE, COMPONENT = b"\0asm", b"\1\0\0\0", b"\x0d\0\1\0"
HEADER_BYTES = 8
SECTIONS = {
    0: "custom", 1: "type", 2: "import", 3: "function", 4: "table", 5: "memory", 6: "global",
    7: "export", 8: "start", 9: "element", 10: "code", 11: "data", 12: "data count", 13: "tag",
}  # fmt: skip
KINDS = ("function", "table", "memory", "global", "tag")
RECURSION, SUBTYPE, SUBTYPE_FINAL = 0x4E, 0x50, 0x4F
MEMORIES_MAX = 100  # the specification's own bound for implementations
UNKNOWN_TYPE = ""  # a table, a memory or a tag: their limits are the linker's business


@dataclass(frozen=True, slots=True)
class FunctionType:
    params: tuple[str, ...]
    results: tuple[str, ...]

    def __str__(self) -> str:
        """`(i32, i32) -> i64`; several results, or none, in parentheses."""
        results = self.results[0] if len(self.results) == 1 else f"({', '.join(self.results)})"
        return f"({', '.join(self.params)}) -> {results}"


@dataclass(frozen=True, slots=True)
class Imported:
    module: str
    name: str
    kind: str
    type: str


@dataclass(frozen=True, slots=True)
class Exported:
    name: str
    kind: str
    type: str


@dataclass(frozen=True, slots=True)
class Memory:
    """Sizes in pages of 64 KiB."""

    least: int
    most: int | None
    is_shared: bool


@dataclass(frozen=True, slots=True)
class Section:
    """`[start, end)` is the body; the section begins some bytes before it."""

    name: str
    start: int
    end: int


@dataclass(slots=True)
class Outline:
    """What a registry shows of a module, and what a linker needs.

    `signatures` are those of the exported functions, by name.
    """

    sections: list[Section] = field(default_factory=list[Section])
    types: list[FunctionType | None] = field(default_factory=list[FunctionType | None])
    imports: list[Imported] = field(default_factory=list[Imported])
    exports: list[Exported] = field(default_factory=list[Exported])
    memories: list[Memory] = field(default_factory=list[Memory])
    functions: list[int] = field(default_factory=list[int])  # type of each, imported ones first
    signatures: dict[str, FunctionType] = field(default_factory=dict[str, FunctionType])
    custom_bytes: int = 0
    custom_sections: int = 0
    locals: int = 0
    signature_values: int = 0  # parameters and results of all functions imported and exported

    def section_at(self, at: int) -> str:
        """The name of the section that holds byte `at`; empty for the header."""
        if at < HEADER_BYTES:
            return ""
        return next((section.name for section in self.sections if at < section.end), "")


def check_header(wasm: bytes) -> None:
    """Raises `Refused` unless `wasm` begins as a core module. wasmtime would take text as well."""
    if not wasm:
        raise Refused("not-wasm", "is empty", at=0)
    if wasm[: len(MAGIC)] != MAGIC[: len(wasm)]:
        raise Refused("not-wasm", f"begins with {first_bytes(wasm)}, not with \\0asm", at=0)
    if len(wasm) < HEADER_BYTES:
        detail = f"has {len(wasm)} bytes, the header alone has {HEADER_BYTES}"
        raise Refused("truncated", detail, at=len(wasm))
    if wasm[4:8] == COMPONENT:
        raise Refused("component", "is a component; only core modules are taken", at=4)
    if wasm[4:8] != CORE:
        version = int.from_bytes(wasm[4:8], "little")
        raise Refused("unknown-version", f"has version {version}, not 1", at=4)


def first_bytes(wasm: bytes) -> str:
    """For a message: what a person may recognise, such as text format or gzip."""
    if wasm.lstrip()[:1] in (b"(", b";"):
        return "text (WebAssembly text format must be assembled first)"
    return " ".join(f"{byte:02x}" for byte in wasm[:4])


def read_outline(wasm: bytes, limits: Limits, *, plain_names: bool = True) -> Outline:
    """Raises `Refused` with the byte and the section where a length lies or a limit is passed."""
    check_header(wasm)
    outline = Outline()
    whole = Reader(wasm, HEADER_BYTES, len(wasm))
    while whole.at < whole.end:
        start, number = whole.at, whole.byte()
        section = SECTIONS.get(number, f"unknown ({number})")
        try:
            size = whole.uint()
            body = Reader(wasm, whole.at, whole.at + size)
            whole.skip(size)
            if number and any(section == earlier.name for earlier in outline.sections):
                raise Refused("malformed", f"a second {section} section", at=start)
            outline.sections.append(Section(section, body.at, body.end))
            SectionReader(body, outline, limits, plain_names).read(number, start)
        except Refused as refused:
            raise Refused(
                refused.reason, refused.detail, at=refused.at, section=section
            ) from refused
    return outline


@dataclass(frozen=True, slots=True)
class SectionReader:
    """Reads one section's body into the outline."""

    body: Reader
    outline: Outline
    limits: Limits
    plain_names: bool

    def read(self, number: int, start: int) -> None:
        match SECTIONS.get(number):
            case "custom":
                self.custom(start)
            case "type":
                self.types(start)
            case "import":
                self.outline.imports = [
                    self.imported() for _ in self.each("imports", self.limits.imports)
                ]
            case "function":
                counted = self.each("functions", self.limits.functions)
                self.outline.functions += [self.body.uint() for _ in counted]
            case "memory":
                self.outline.memories += [
                    self.memory() for _ in self.each("memories", MEMORIES_MAX)
                ]
            case "export":
                self.outline.exports = [
                    self.exported() for _ in self.each("exports", self.limits.exports)
                ]
            case "code":
                for _ in self.each("function bodies", self.limits.functions):
                    self.function_body()
            case "data":
                self.each("data segments", self.limits.data_segments)
            case _:
                pass  # validated, but nothing in it is shown or bounded

    def each(self, what: str, most: int) -> range:
        """As many turns as the section says it has entries, if it may have that many."""
        start = self.body.at
        count = self.body.uint()
        check_limit(count, what, most, start)
        return range(count)

    def custom(self, start: int) -> None:
        self.body.name(plain=False)
        outline, limits = self.outline, self.limits
        outline.custom_sections += 1
        outline.custom_bytes += self.body.end - start
        check_limit(outline.custom_sections, "custom sections", limits.custom_sections, start)
        check_limit(outline.custom_bytes, "bytes of custom sections", limits.custom_bytes, start)

    def types(self, start: int) -> None:
        size = self.body.end - self.body.at
        check_limit(size, "bytes of types", self.limits.type_section_bytes, start)
        for _ in range(self.body.uint()):
            group = 1
            if self.peek() == RECURSION:
                self.body.byte()
                group = self.body.uint()
            for _ in range(group):
                self.outline.types.append(self.sub_type())

    def peek(self) -> int:
        return self.body.data[self.body.at] if self.body.at < self.body.end else -1

    def sub_type(self) -> FunctionType | None:
        if self.peek() in (SUBTYPE, SUBTYPE_FINAL):
            self.body.byte()
            for _ in range(self.body.uint()):
                self.body.uint()  # a supertype
        form = self.body.byte()
        match form:
            case 0x60:  # a function
                return FunctionType(self.value_types(), self.value_types())
            case 0x5F:  # a struct
                for _ in range(self.body.uint()):
                    self.body.field_type()
            case 0x5E:  # an array
                self.body.field_type()
            case _:
                detail = f"unknown kind of type 0x{form:02x}"
                raise Refused("malformed", detail, at=self.body.at - 1)
        return None

    def value_types(self) -> tuple[str, ...]:
        return tuple(self.body.value_type() for _ in range(self.body.uint()))

    def imported(self) -> Imported:
        module = self.body.name(plain=self.plain_names)
        name = self.body.name(plain=self.plain_names)
        kind, type = self.kind(), UNKNOWN_TYPE
        match kind:
            case "function":
                self.outline.functions.append(self.body.uint())
                type = str(self.signature(self.outline.functions[-1]))
            case "table":
                self.body.value_type()
                self.body.range()
            case "memory":
                self.outline.memories.append(self.memory())
            case "global":
                type = self.body.value_type()
                type = f"mut {type}" if self.body.byte() else type
            case _:  # a tag
                self.body.byte()
                self.body.uint()
        return Imported(module, name, kind, type)

    def exported(self) -> Exported:
        name, kind = self.body.name(plain=self.plain_names), self.kind()
        start = self.body.at
        index = self.body.uint()
        if kind != "function":
            return Exported(name, kind, UNKNOWN_TYPE)
        if index >= len(self.outline.functions):
            raise Refused("invalid", f"exports function {index}, which is not there", at=start)
        type = self.signature(self.outline.functions[index])
        self.outline.signatures[name] = type
        return Exported(name, kind, str(type))

    def kind(self) -> str:
        kind = self.body.byte()
        if kind >= len(KINDS):
            detail = f"unknown kind {kind} of import or export"
            raise Refused("malformed", detail, at=self.body.at - 1)
        return KINDS[kind]

    def signature(self, index: int) -> FunctionType:
        """A type that will be shown: a file of 1 MB may name one of 1,000 values 100,000 times."""
        type = self.function_type(index)
        self.outline.signature_values += 1 + len(type.params) + len(type.results)
        most = self.limits.signature_values
        check_limit(self.outline.signature_values, "values in signatures", most, self.body.at)
        return type

    def function_type(self, index: int) -> FunctionType:
        type = self.outline.types[index] if index < len(self.outline.types) else None
        if type is None:
            detail = f"type {index} is not there or is no function"
            raise Refused("invalid", detail, at=self.body.at - 1)
        return type

    def memory(self) -> Memory:
        start = self.body.at
        memory = Memory(*self.body.range())
        check_limit(memory.least, "pages of memory", self.limits.memory_pages, start)
        return memory

    def function_body(self) -> None:
        """Locals are declared in runs: five bytes can ask for four billion."""
        start = self.body.at
        size = self.body.uint()
        check_limit(size, "bytes in one function", self.limits.body_bytes, start)
        end = self.body.at + size
        for _ in range(self.body.uint()):
            # An empty run still costs a step, so it counts as one local.
            self.outline.locals += max(1, self.body.uint())
            check_limit(self.outline.locals, "locals", self.limits.locals, start)
            self.body.value_type()
        if self.body.at > end:
            raise Refused("malformed", "locals run past the end of their function", at=start)
        self.body.skip(end - self.body.at)


def check_limit(value: int, what: str, most: int, at: int) -> None:
    if value > most:
        raise Refused("over-limit", f"{value:,} {what}, at most {most:,}", at=at)
