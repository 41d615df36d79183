"""What a module needs, as it is signed: full names only, each said once.

A gen.toml is written in one person's words: a bare id is of the same author, `alice/…` is whoever
that person calls alice. What is signed must mean the same to everybody.
"""

from collections.abc import Mapping

from registry.errors import InvalidManifest, Problem, UnknownPetname
from registry.manifest import Dependency, Manifest
from registry.names import ModuleName
from registry.statement import Need


def needs_of(manifest: Manifest, author: str, petnames: Mapping[str, str]) -> dict[str, Need]:
    """Full name → need, for a module of `author`, a did:key.

    Raises `UnknownPetname` with all that are missing in `petnames`, or `InvalidManifest` where two
    spellings mean one module, or one means the module itself: which range counts is the author's
    to say.
    """
    used = [one.reference.petname for one in manifest.dependencies]
    if unknown := sorted({name for name in used if name is not None} - petnames.keys()):
        raise UnknownPetname(tuple(unknown))
    own = ModuleName(author, manifest.id)
    found: dict[ModuleName, Dependency] = {}
    problems: list[Problem] = []
    for one in manifest.dependencies:
        name = one.reference.named(petnames).of(author)
        if name == own:
            problems.append(_problem(one, "a module cannot need itself"))
        elif name in found:
            said = f"is the same module as {found[name].reference}: {name}; keep one of the two"
            problems.append(_problem(one, said))
        else:
            found[name] = one
    if problems:
        raise InvalidManifest(tuple(problems))
    return {str(name): Need(one.range, one.is_optional) for name, one in found.items()}


def _problem(dependency: Dependency, detail: str) -> Problem:
    return Problem(dependency.pointer, detail, dependency.line)
