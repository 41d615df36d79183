"""What can be wrong with a module, its import patterns or its dependencies.

```
RegistryError
└── WasmError         .reason says which rule, .detail what was found
    ├── Refused       these bytes are no module we take: .where says which
    ├── BadPattern    an import pattern of a manifest or a configuration cannot be read
    └── Unlinkable    a module needs what its dependencies do not export
```
"""

from registry.errors import RegistryError


class WasmError(RegistryError):
    """Something is wrong with a WebAssembly module."""

    code = "invalid-wasm"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Refused(WasmError):
    """The file is not a module we take."""

    def __init__(self, reason: str, detail: str, *, at: int, section: str = "") -> None:
        super().__init__(reason, detail)
        self.at = at
        self.section = section

    @property
    def where(self) -> str:
        """`byte 35 (0x23), code section`."""
        return f"byte {self.at} (0x{self.at:x})" + (
            f", {self.section} section" * bool(self.section)
        )


class BadPattern(WasmError):
    """An import pattern is not “module.name” with * as a wildcard."""

    code = "bad-import-pattern"

    def __init__(self, detail: str) -> None:
        super().__init__(self.code, detail)


class Unlinkable(WasmError):
    """The modules cannot be linked with one another."""

    code = "unlinkable"
