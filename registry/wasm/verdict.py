"""What a check of a module is asked, and what it answers. Both cross the pipe to the checker."""

import hashlib

import blake3
import msgspec

from registry.wasm.allowlist import HOST_IMPORTS
from registry.wasm.limits import SIZE_BYTES_MAX, Limits

VALID = "valid"


class Policy(msgspec.Struct, frozen=True):
    """What a module must keep, beside being valid.

    A publisher checks against the module's own manifest (`for_manifest`), a node that installs
    against what it can offer, and a node that only carries a module against nothing (`CARRY`).
    """

    size_bytes_max: int = SIZE_BYTES_MAX
    limits: Limits = Limits()
    imports: tuple[str, ...] = HOST_IMPORTS  # patterns of `registry.wasm.allowlist`
    dependencies: tuple[str, ...] = ()  # module ids: whatever is imported from them is allowed
    plain_names: bool = True

    @classmethod
    def for_manifest(
        cls,
        imports: tuple[str, ...],
        dependencies: tuple[str, ...],
        *,
        size_bytes_max: int = SIZE_BYTES_MAX,
    ) -> "Policy":
        """Only what a manifest declares: an import it forgot is the publisher's mistake."""
        return cls(imports=imports, dependencies=dependencies, size_bytes_max=size_bytes_max)


CARRY = Policy(imports=("*",))


class Import(msgspec.Struct, frozen=True):
    """`type` is a function's signature, `(i32) -> i32`, or a global's type; else empty."""

    module: str
    name: str
    kind: str
    type: str


class Export(msgspec.Struct, frozen=True):
    name: str
    kind: str
    type: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One checker's word on one module.

    Nodes must agree where `checker` and `features` are equal, except on the codes that tell of a
    checker's end (`validator-died`, `validator-timeout`). Hashes are in hex, `size` in bytes.
    """

    ok: bool
    code: str  # VALID, or why not
    detail: str  # a sentence's end for a person: "the module {detail}" or plain
    where: str  # `byte 35 (0x23), code section`; empty where no place is to blame
    checker: str
    features: str
    sha256: str
    blake3: str
    size: int
    imports: tuple[Import, ...] = ()
    exports: tuple[Export, ...] = ()

    def __str__(self) -> str:
        if self.ok:
            return f"valid, says {self.checker}"
        return f"{self.code}: {self.detail}" + (f" ({self.where})" if self.where else "")


def refusal(
    wasm: bytes, code: str, detail: str, *, checker: str, features: str, where: str = ""
) -> Verdict:
    """A verdict of "no" where there is no outline to show. Hashes `wasm`: 10 MiB take 30 ms."""
    return Verdict(
        ok=False,
        code=code,
        detail=detail,
        where=where,
        checker=checker,
        features=features,
        sha256=hashlib.sha256(wasm).hexdigest(),
        blake3=blake3.blake3(wasm).hexdigest(),
        size=len(wasm),
    )
