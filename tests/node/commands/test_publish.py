"""What a folder gives to publish, and what it must not."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.commands.publish import ModuleFiles, bytes_of, in_order, module_folders, read_module
from node.failure import Failure

MANIFEST = '[module]\nid = "io.test.m"\nwasm = "m.wasm"\nreadme = "README.md"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "gen.toml").write_text(MANIFEST)
    (folder / "m.wasm").write_bytes(b"\0asm\1\0\0\0")
    (folder / "README.md").write_text("# m\n")
    (tmp_path / "secret").write_text("keep out")
    return folder


def code_of(folder: Path, manifest: str) -> str:
    (folder / "gen.toml").write_text(manifest)
    with pytest.raises(Failure) as failed:
        read_module(folder)
    return str(failed.value.problem["code"])


def test_a_module_is_read_whole(folder: Path) -> None:
    module = read_module(folder)
    assert (module.manifest, module.wasm, module.readme) == (MANIFEST, b"\0asm\1\0\0\0", "# m\n")
    assert module.body(changelog="", dry_run=True) == {
        "manifest": MANIFEST, "wasm": "AGFzbQEAAAA=", "readme": "# m\n", "dry_run": True,
    }  # fmt: skip


def test_a_link_inside_of_the_folder_is_fine(folder: Path) -> None:
    os.symlink("m.wasm", folder / "link.wasm")
    assert bytes_of(folder, "link.wasm", 100) == b"\0asm\1\0\0\0"


@pytest.mark.parametrize("name", ["../secret", "x/../../secret", "", "a\0b", "."])
def test_nothing_outside_of_the_folder_is_read(name: str, folder: Path) -> None:
    with pytest.raises(Failure):
        bytes_of(folder, name, 100)


def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    os.symlink("../secret", folder / "link")
    os.symlink("..", folder / "up")
    for name in ("link", "up/secret", str(folder.parent / "secret")):
        with pytest.raises(Failure) as failed:
            bytes_of(folder, name, 100)
        assert failed.value.problem["code"] == "unsafe-file"


@given(name=st.text(max_size=30))
def test_no_name_reads_anything_but_a_file_of_the_folder(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "only"
    folder.mkdir(exist_ok=True)
    with pytest.raises(Failure):
        bytes_of(folder, name, 100)


def test_a_file_above_its_limit_is_not_read(folder: Path) -> None:
    with pytest.raises(Failure) as failed:
        bytes_of(folder, "m.wasm", 7)
    assert "larger than 7 B" in failed.value.problem["detail"]


@pytest.mark.parametrize(
    "manifest",
    ["", "[module]", "module = 7", "[module\n", '[module]\nwasm = ["a"]', "a = " + "[" * 9_999,
     '[module]\nwasm = "m.wasm"\nreadme = 7'],
)  # fmt: skip
def test_a_manifest_that_names_no_files(manifest: str, folder: Path) -> None:
    assert code_of(folder, manifest) == "invalid-manifest"


def test_a_manifest_that_is_no_text(folder: Path) -> None:
    (folder / "gen.toml").write_bytes(b"\xff")
    with pytest.raises(Failure) as failed:
        read_module(folder)
    assert "no UTF-8 at byte 0" in failed.value.problem["detail"]


def test_a_directory_of_modules(folder: Path) -> None:
    assert list(module_folders(folder.parent)) == [folder]
    assert list(module_folders(folder / "gen.toml")) == [folder]
    with pytest.raises(Failure) as failed:
        list(module_folders(folder / "m.wasm"))
    assert failed.value.exit == 5


def files(folder: Path, id: str, *needs: str) -> ModuleFiles:
    return ModuleFiles(folder, "", b"", None, id, "1.0.0", frozenset(needs))


def test_what_others_need_goes_first(folder: Path) -> None:
    a, b, c, d = (
        files(folder, "io.a", "io.d", "io.elsewhere"),
        files(folder, "io.b"),
        files(folder, "io.c", "io.a"),
        files(folder, "io.d"),
    )
    order = in_order([a, b, c, d])
    assert sorted(map(order.index, (a, b, c, d))) == [0, 1, 2, 3]
    assert order.index(d) < order.index(a) < order.index(c)
    circle = [files(folder, "io.a", "io.b"), files(folder, "io.b", "io.a")]
    assert in_order(circle) == circle
    assert in_order([*circle, c, a, d]) == [d, a, *circle, c], "the others in their order"


def test_needs_are_read_from_the_manifest(folder: Path) -> None:
    needs = '[dependencies]\n"io.b" = "^1"\n"did:key:z6Mk/io.c" = "*"\n'
    (folder / "gen.toml").write_text(MANIFEST + needs)
    module = read_module(folder)
    assert (module.id, sorted(module.needs)) == ("io.test.m", ["io.b", "io.c"])
    (folder / "gen.toml").write_text("dependencies = 7\n" + MANIFEST)
    assert not read_module(folder).needs
