"""`publish`: read a module's folder, send it, say what became of it; or genomes and seeds.

What is read is checked before: every file must lie inside the folder, links out of it are refused,
and a file above its limit is not read at all.
"""

from __future__ import annotations

import base64
import stat
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from node.commands.console import node, print_json, say, wants_json
from node.commands.going_on import goes_on
from node.commands.module_parts import known_files, say_left_alone
from node.exit_codes import FAILED, NOT_FOUND
from node.failure import Failure, Json, failure
from node.text import printable, short_name, size_text

# The node's own limits say the same; here they spare reading a file that it would refuse.
MANIFEST_BYTES_MAX = 256 << 10
WASM_BYTES_MAX = 10 << 20
TEXT_BYTES_MAX = 1 << 20

# Of a note about what was not sent; the node takes no more.
WHERE_CHARACTERS_MAX = 1_000
DETAIL_CHARACTERS_MAX = 2_000

AGAIN = "It may have been published: the same command again publishes it, or says that it is there."

# Validation runs in a child process with a limit of its own, well below this.
PUBLISH_TIMEOUT_S = 120.0


class Needing(Protocol):
    """What the order of modules is told from."""

    @property
    def id(self) -> str: ...

    @property
    def needs(self) -> frozenset[str]:
        """Ids of other modules, their authors aside."""
        ...


M = TypeVar("M", bound=Needing)


@dataclass(frozen=True, slots=True)
class ModuleFiles:
    """What the node wants to know of a module's folder."""

    folder: Path
    manifest: str
    wasm: bytes
    readme: str | None
    id: str = ""
    version: str = ""
    needs: frozenset[str] = frozenset()
    """Ids of the modules it depends on, their authors aside."""

    def body(
        self,
        *,
        changelog: str,
        dry_run: bool,
        namespace: str = "commons",
        record: str | None = None,
    ) -> Json:
        body: dict[str, object] = {
            "manifest": self.manifest,
            "wasm": base64.b64encode(self.wasm).decode(),
            "dry_run": dry_run,
        }
        if self.readme is not None:
            body["readme"] = self.readme
        if namespace != "commons":
            body["namespace"] = namespace
        if record is not None:
            body["record"] = record
        if changelog:
            body["changelog"] = changelog
        return body


@click.command("publish")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["module", "genome", "seed", "lineage"]),
    help="What it is; else told from the files.",
)
@click.option("--namespace", default="commons", show_default=True, help="Where to publish.")
@click.option("--record", metavar="WHOSE/ID", help="Publish a version of somebody else's module.")
@click.option("--changelog", default="", help="What is new in this version.")
@click.option("--name", help="What a genome or a seed is called.")
@click.option("--description", help="A sentence on it.")
@click.option("--tag", "tags", multiple=True, help="A tag of it; may be repeated.")
@click.option("--license", "licence", metavar="SPDX", help="Its licence, as MIT.")
@click.option("--card", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A Markdown file that tells more.")  # fmt: skip
@click.option("--update", is_flag=True, help="Say anew what the files say, where it is there.")
@click.option("--dry-run", is_flag=True, help="Check everything, publish nothing.")
def publish_command(
    path: Path,
    kind: str | None,
    namespace: str,
    record: str | None,
    changelog: str,
    name: str | None,
    description: str | None,
    tags: tuple[str, ...],
    licence: str | None,
    card: Path | None,
    update: bool,
    dry_run: bool,
) -> None:
    """Publish a module, genomes or seeds: a file or a directory of them."""
    if record is not None or (kind in (None, "module") and is_module(path)):
        return publish_module_of(path, namespace, record, changelog, dry_run=dry_run)
    from node.commands.publish_life import card_text
    from node.commands.publish_report import Wanted
    from node.commands.publish_tree import publish_tree

    if changelog and (path.is_file() or kind not in (None, "module")):
        raise click.UsageError("--record and --changelog are of modules")
    said = {"name": name, "description": description, "tags": list(tags) or None}
    said |= {"license": licence, "card": card_text(card)}
    overrides = {key: value for key, value in said.items() if value is not None}
    if name is not None and path.is_dir():
        raise click.UsageError("--name is of one file, and this is a directory")
    wanted = Wanted(kind, namespace, dry_run, update, overrides, changelog)
    return publish_tree(path, wanted)


def is_module(path: Path) -> bool:
    """One module by itself: its folder, or its gen.toml."""
    return path.name == "gen.toml" if path.is_file() else (path / "gen.toml").is_file()


def publish_module_of(
    path: Path, namespace: str, record: str | None, changelog: str, *, dry_run: bool
) -> None:
    """The one module at `path`."""
    modules = read_modules(path)
    if len(modules) != 1:
        raise click.UsageError("--record is of one module; name its own folder")
    (module,) = modules
    body = module.body(changelog=changelog, dry_run=dry_run, namespace=namespace, record=record)
    left_alone = [str(file) for file in known_files([module.folder])]
    with goes_on(AGAIN):
        try:
            answer = node().post("/api/modules", body, timeout_s=PUBLISH_TIMEOUT_S)
        except Failure as refused:
            raise in_folder(refused, module.folder) from refused
    if wants_json():
        said = {"kind": "module", **answer, "published": [answer], "in_modules": left_alone}
        return print_json("publish", said)
    print_published(answer)
    return say_left_alone(left_alone)


def print_published(answer: Json) -> None:
    done = "would publish" if answer["dry_run"] else "published"
    name = printable(answer["module"].rpartition("/")[2])
    say(f"{done} {name} {printable(answer['version'])}", fg="green", nl=False)
    say(f"  {size_text(answer['size'])}, sha256 {answer['sha256'][:16]}…")
    for needed, range in answer["dependencies"].items():
        say(f"  needs {printable(short_name(needed))} {printable(range)}", dim=True)
    for warning in answer.get("warnings", ()):
        say(f"warning: {printable(warning)}", fg="yellow", err=True)


def in_folder(refused: Failure, folder: Path) -> Failure:
    """The node's problem, with the folder it is about."""
    detail = f"{folder}: {refused.problem.get('detail', '')}"
    return Failure({**refused.problem, "detail": detail}, refused.exit)


def module_folders(path: Path) -> Iterator[Path]:
    """The folder itself, or each folder in it that holds a gen.toml, by name."""
    folder = path.parent if path.name == "gen.toml" and path.is_file() else path
    if (folder / "gen.toml").is_file():
        yield folder
        return
    inner = sorted(folder.glob("*/gen.toml")) if folder.is_dir() else []
    if not inner:
        detail = f"{folder} holds no gen.toml, and no folder in it does."
        raise failure("no-manifest", "There is no module", detail, NOT_FOUND)
    yield from (manifest.parent for manifest in inner)


def read_modules(path: Path) -> list[ModuleFiles]:
    """Those that lie at `path`. What cannot even be sent is listed by a running node all the same.

    Raises `Failure` naming the file.
    """
    try:
        return [read_module(folder) for folder in module_folders(path)]
    except Failure as refused:
        note_unread(path, refused)
        raise


def note_unread(path: Path, refused: Failure) -> None:
    """On the node's list of what was refused, where a node runs."""
    problem = refused.problem
    note = {"where": str(path.absolute())[-WHERE_CHARACTERS_MAX:], "code": problem["code"]}
    with suppress(Failure):
        detail = str(problem["detail"])[:DETAIL_CHARACTERS_MAX]
        node().post("/api/refused", {**note, "detail": detail})


def in_order(modules: Sequence[M]) -> list[M]:
    """A module after those it depends on; those in circles, and behind them, at the end."""
    places = range(len(modules))
    needed = {
        place: [other for other in places if modules[other].id in modules[place].needs]
        for place in places
    }
    sorter = TopologicalSorter(needed)
    with suppress(CycleError):  # what does not go in circles is told all the same
        sorter.prepare()
    order: list[int] = []
    while ready := sorter.get_ready():
        order += ready
        sorter.done(*ready)
    order += sorted(set(places) - set(order))
    return [modules[place] for place in order]


def read_module(folder: Path) -> ModuleFiles:
    """Everything that is published, read whole. Raises `Failure` naming the file."""
    manifest = text_of(folder, "gen.toml", MANIFEST_BYTES_MAX)
    tables = tables_of(folder, manifest)
    module: dict[str, Any] = tables["module"]
    wasm = module.get("wasm")
    if not isinstance(wasm, str):
        raise invalid(folder, "/module/wasm", 'must name the .wasm file, as in wasm = "a.wasm"')
    readme = module.get("readme")
    if readme is not None and not isinstance(readme, str):
        raise invalid(folder, "/module/readme", "must be a file's name")
    text = text_of(folder, readme, TEXT_BYTES_MAX) if readme else None
    content = bytes_of(folder, wasm, WASM_BYTES_MAX)
    needs = frozenset(one.rpartition("/")[2] for one in tables.get("dependencies", ()))
    named = (str(module.get("id", "")), str(module.get("version", "")))
    return ModuleFiles(folder, manifest, content, text, *named, needs)


def tables_of(folder: Path, manifest: str) -> dict[str, dict[str, Any]]:
    """`[module]` and the others, for the names of files and the order; the node checks the rest."""
    try:
        tables = tomllib.loads(manifest)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise invalid(folder, "", f"is no TOML: {error}") from error
    if not isinstance(tables.get("module"), dict):
        raise invalid(folder, "/module", "is missing")
    return {name: table for name, table in tables.items() if isinstance(table, dict)}


def bytes_of(folder: Path, name: str, bytes_max: int) -> bytes:
    """The file `name` inside `folder`, links followed, never outside of it."""
    try:
        return _bytes_of(folder, name, bytes_max)
    except (OSError, RuntimeError) as error:  # no right to it; links in a circle, until Python 3.13
        why = getattr(error, "strerror", None) or error
        detail = f"{folder / name}: {why}"
        raise failure("cannot-read", "A file cannot be read", detail, FAILED) from error


def _bytes_of(folder: Path, name: str, bytes_max: int) -> bytes:
    if not name or "\0" in name or Path(name).is_absolute():
        raise unsafe(folder, name, "is no relative path")
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise unsafe(folder, name, "leads out of the folder")
    if not _is_file(path):
        detail = f"{folder / name} is named in gen.toml, but is no file."
        raise failure("file-missing", "A file is missing", detail, NOT_FOUND)
    with path.open("rb") as file:
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        raise unsafe(folder, name, f"is larger than {size_text(bytes_max)}")
    return content


def _is_file(path: Path) -> bool:
    """Raises `OSError` where links lead in a circle; `Path.is_file` says False of these."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def text_of(folder: Path, name: str, bytes_max: int) -> str:
    try:
        return bytes_of(folder, name, bytes_max).decode()
    except UnicodeDecodeError as error:
        raise unsafe(folder, name, f"is no UTF-8 at byte {error.start}") from error


def invalid(folder: Path, pointer: str, detail: str) -> Failure:
    where = f"{folder / 'gen.toml'}: {pointer or 'the file'} {detail}"
    errors = [{"pointer": pointer, "detail": detail}]
    return failure("invalid-manifest", "The manifest is invalid", where, FAILED, errors=errors)


def unsafe(folder: Path, name: str, why: str) -> Failure:
    detail = f"{folder}: {name!r} {why}."
    return failure("unsafe-file", "A file cannot be published", detail, FAILED)
