"""Judge a module: header, outline, limits, names, imports, then wasmtime's validation.

Nothing is compiled. Only a child process loads this module: a hostile file may still take memory or
time, and a bug in the engine would abort the process it runs in.
"""

import hashlib
import re
from collections.abc import Mapping

import blake3
import wasmtime

from registry.errors import quoted
from registry.wasm.allowlist import parse_allowlist
from registry.wasm.engine import configuration
from registry.wasm.errors import Refused, WasmError
from registry.wasm.features import PINNED, checker, feature_digest
from registry.wasm.limits import SIZE_BYTES_MAX
from registry.wasm.sections import Outline, read_outline
from registry.wasm.verdict import VALID, Export, Import, Policy, Verdict

OFFSET = re.compile(r"\(at offset (0x[0-9a-f]+)\)")
# wasmtime has no code for "this is a feature that is off"; these are the ways it says so.
FEATURE_OFF = re.compile(
    r"not enabled|must be enabled|feature required|proposal|is disabled|required for"
    r"|without the .* feature|multiple memories|requires? .*feature"
)
DETAIL_CHARACTERS_MAX = 400  # wasmtime repeats names, and a name may have 4,096 bytes
IMPORTS_SHOWN_MAX = 5  # in a message; the verdict lists all of them


class Validator:
    """One engine, made once: `Engine()` is where a bad set of features aborts the process."""

    def __init__(self, features: Mapping[str, bool] = PINNED) -> None:
        self.checker = checker()
        self.features = feature_digest(features)
        self._engine = wasmtime.Engine(configuration(features))

    def validate(self, wasm: bytes, policy: Policy) -> Verdict:
        """Never raises for anything in `wasm` or `policy`."""
        outline = Outline()
        try:
            check_size(wasm, policy.size_bytes_max)
            outline = read_outline(wasm, policy.limits, plain_names=policy.plain_names)
            check_imports(outline, policy)
            self._check_structure(wasm, outline)
        except Refused as refused:
            return self._verdict(wasm, outline, refused.reason, refused.detail, refused.where)
        except WasmError as error:
            return self._verdict(wasm, outline, error.reason, error.detail, "")
        return self._verdict(wasm, outline, VALID, "", "")

    def _check_structure(self, wasm: bytes, outline: Outline) -> None:
        try:
            wasmtime.Module.validate(self._engine, wasm)
        except wasmtime.WasmtimeError as error:
            raise explained(str(error), outline) from error

    def _verdict(
        self, wasm: bytes, outline: Outline, code: str, detail: str, where: str
    ) -> Verdict:
        return Verdict(
            ok=code == VALID,
            code=code,
            detail=detail,
            where=where,
            checker=self.checker,
            features=self.features,
            sha256=hashlib.sha256(wasm).hexdigest(),
            blake3=blake3.blake3(wasm).hexdigest(),
            size=len(wasm),
            imports=tuple(Import(i.module, i.name, i.kind, i.type) for i in outline.imports),
            exports=tuple(Export(e.name, e.kind, e.type) for e in outline.exports),
        )


def check_size(wasm: bytes, size_bytes_max: int = SIZE_BYTES_MAX) -> None:
    if len(wasm) > size_bytes_max:
        detail = f"{len(wasm):,} bytes, at most {size_bytes_max:,}"
        raise Refused("too-large", detail, at=size_bytes_max)


def check_imports(outline: Outline, policy: Policy) -> None:
    allowlist = parse_allowlist(policy.imports)
    # A dependency `did/id` may be imported by its bare id as well: see `registry.wasm.link`.
    bare = (id.rpartition("/")[2] for id in policy.dependencies)
    dependencies = {*policy.dependencies, *bare}
    denied = [
        quoted(f"{wanted.module}.{wanted.name}")
        for wanted in outline.imports
        if wanted.module not in dependencies and not allowlist.allows(wanted.module, wanted.name)
    ]
    if denied:
        more = f" and {len(denied) - IMPORTS_SHOWN_MAX} more" * (len(denied) > IMPORTS_SHOWN_MAX)
        detail = f"imports {', '.join(denied[:IMPORTS_SHOWN_MAX])}{more}, allowed is "
        allowed = [*policy.imports, *(f"{id}.*" for id in policy.dependencies)]
        detail += ", ".join(allowed[:IMPORTS_SHOWN_MAX]) if allowed else "nothing"
        start = next(section.start for section in outline.sections if section.name == "import")
        raise Refused("import-not-allowed", detail, at=start, section="import")


def explained(message: str, outline: Outline) -> Refused:
    """wasmtime's message, with its offset turned into a place."""
    first = message.strip().splitlines()[0] if message.strip() else "is not valid"
    offset = OFFSET.search(message)
    at = int(offset[1], 16) if offset else 0
    detail = OFFSET.sub("", first).strip()[:DETAIL_CHARACTERS_MAX]
    code = "feature-off" if FEATURE_OFF.search(first) else "invalid"
    return Refused(code, detail, at=at, section=outline.section_at(at))
