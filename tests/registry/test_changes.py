import msgspec

from registry.changes import Retyped, changes
from registry.listed import Capability, ModuleDependency, ModuleVersion
from tests.registry.people import Record, dice_document


def version(number: str, **fields: object) -> ModuleVersion:
    record = Record(dice_document())
    record.publish(number)
    return msgspec.structs.replace(record.module.versions[0], **fields)


def exports(*rows: tuple[str, str]) -> tuple[Capability, ...]:
    return tuple(Capability(name, "function", signature) for name, signature in rows)


def test_what_an_update_asks_for_and_takes_away() -> None:
    before = version(
        "1.0.0",
        imports=("env.memory", "env.now"),
        capabilities=exports(("throw", "(i32) -> i32"), ("seed", "(i32) -> ()")),
    )
    after = version(
        "1.1.0",
        imports=("env.memory", "wasi.fd_read"),
        capabilities=(*exports(("throw", "(i64) -> i32")), Capability("memory", "memory", "1")),
        dependencies=(ModuleDependency("did:key:z/org.example.chance", "^1"),),
    )
    found = changes(before, after)
    assert (found.imports_new, found.imports_gone) == (("wasi.fd_read",), ("env.now",))
    assert (found.exports_new, found.exports_gone) == (("memory",), ("seed",))
    assert found.exports_retyped == (Retyped("throw", "(i32) -> i32", "(i64) -> i32"),)
    assert found.breaks
    assert found.lines()[:4] == (
        "newly imports wasi.fd_read",
        "no longer exports seed",
        "changes throw from (i32) -> i32 to (i64) -> i32",
        "newly needs did:key:z/org.example.chance",
    )


def test_the_same_again_says_nothing() -> None:
    found = changes(version("1.0.0"), version("1.0.1"))
    assert (found.lines(), found.breaks) == ((), False)


def test_of_a_list_that_was_cut_nobody_knows_what_is_gone() -> None:
    many = exports(*((f"name{number}", "() -> ()") for number in range(300)))
    before = version("1.0.0", capabilities=many[:256])
    after = version("1.1.0", capabilities=many[10:256])
    found = changes(before, after)
    assert (found.exports_gone, found.has_all_exports) == ((), False)
    long = exports(*((f"{'x' * 100}{number}", "() -> ()") for number in range(60)))
    assert not changes(version("1.0.0", capabilities=long), version("1.1.0")).has_all_exports
