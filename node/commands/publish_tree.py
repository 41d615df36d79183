"""`publish` of a directory: modules, genomes, seeds and lineages, wherever in it they lie.

```
folder/
  a-module/gen.toml …     a folder with a gen.toml is a module, and all that lies in it is its own
  patterns/*.rle …        every other file is what its reader finds in it
```
Each is published by itself, modules first, and those that others need before them. What is
wrong with one is told at the end; the others are published all the same. Modules are read twice, to
find the order and to be sent: nobody has the memory for all of them at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from node.commands.console import node, print_event, say, wants_json
from node.commands.folders import walk
from node.commands.module_parts import known_files
from node.commands.progress import Progress
from node.commands.publish import (
    PUBLISH_TIMEOUT_S,
    ModuleFiles,
    in_order,
    note_unread,
    print_published,
    read_module,
)
from node.commands.publish_life import ENDS_ALL, publish_file
from node.commands.publish_report import Report, Wanted, tell, told_how_far
from node.commands.same_version import compared
from node.commands.seen_module import SeenModule, read_again, seen
from node.exit_codes import CONFLICT, NOT_FOUND
from node.failure import Failure, Json, failure
from node.text import printable, short_name

MANIFEST: Final = "gen.toml"
CIRCLES_MAX: Final = 100
UNMET: Final = frozenset({"unsolvable", "unknown-module"})
"""What a dry run hears of a module whose needs are not there yet."""
WORD_ENDS: Final = ".,;:()"
"""Of a sentence, around the id of a module."""


@dataclass(slots=True)
class Tree:
    """Folders of modules, and other files, each in the order of their names."""

    modules: list[Path] = field(default_factory=list[Path])
    files: list[Path] = field(default_factory=list[Path])
    left_alone: list[Path] = field(default_factory=list[Path])
    """Folders of modules whose genomes and seeds are not looked for."""
    unread: list[tuple[str, OSError]] = field(default_factory=list[tuple[str, OSError]])
    """Folders that cannot be read, and why."""
    passed_over: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """What is neither a folder nor a regular file, and what it is."""


def tree_of(path: Path, kind: str | None = None) -> Tree:
    """Regular files at any depth; what is hidden, and links, are nobody's genome.

    `kind`: only what may be of that kind is looked for.
    """
    found = Tree()

    def refuse(folder: str, error: OSError) -> None:
        found.unread.append((folder, error))

    here: list[tuple[str, str]] = []

    def pass_over(other: str, why: str) -> None:
        here.append((other, why))

    for where, folders, names in walk(str(path), refuse, pass_over):
        folder = Path(where)
        others, here[:] = [*here], []
        is_module = MANIFEST in names or lies_there(folder / MANIFEST)
        if is_module and (kind in (None, "module") or folder != path):
            found.modules.append(folder)
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        found.passed_over += [
            one
            for one in others
            if not (name := os.path.basename(one[0])).startswith(".")
            and not (is_module and name == MANIFEST)
        ]
        for name in names:
            if is_module and (name == MANIFEST or name.endswith(".wasm")):
                continue  # asked for the genomes in a module's folder
            if not name.startswith("."):
                found.files.append(folder / name)
    if kind == "module":
        found.files.clear()
    else:
        found.left_alone = sorted(found.modules)
    if kind not in (None, "module"):
        found.modules.clear()
    found.modules.sort()
    found.files.sort()
    found.passed_over.sort()
    return found


def lies_there(manifest: Path) -> bool:
    """A link too, wherever it leads: its folder is a module's, and no genome in it is published.

    One that leads out of the folder, or to nothing, is refused when the module is read.
    """
    return os.path.lexists(manifest) and not os.path.isdir(manifest)  # which raises nothing


def publish_tree(path: Path, wanted: Wanted) -> None:
    """Everything at `path`. Raises `Failure` where any of it was refused."""
    tree = tree_of(path, wanted.kind) if path.is_dir() else Tree(files=[path])
    if wanted.kind == "module" and not tree.modules:
        detail = f"{path} holds no gen.toml, and no folder in it does."
        raise failure("no-manifest", "There is no module", detail, NOT_FOUND)
    report = Report(total=len(tree.modules) + len(tree.files))
    for folder, error in tree.unread:
        report.refuse_unreadable(folder, error)
    report.passed_over += [{"file": file, "reason": why} for file, why in tree.passed_over]
    modules = in_order(read_those(tree.modules, report))
    sizes = [module.size_bytes for module in modules] + [size_of(file) for file in tree.files]
    total, before = sum(sizes), 0
    with told_how_far(report), Progress(tells=False) as bars:
        lines = Lines(report, total, is_wanted=wants_json() and path.is_dir())

        def show(done: int, what: Path) -> None:
            bars.show({"id": path.name, "done": done, "total": total})
            lines.tell(done, what)

        bars.show({"id": path.name, "done": before, "total": total})
        # Looked for before anything is sent: a Ctrl-C meanwhile ends it with nothing done.
        report.in_modules += map(str, known_files(tree.left_alone))
        for module, size in zip(modules, sizes, strict=False):
            publish_module(module, modules, wanted, report)
            report.done += 1
            before += size
            show(before, module.folder)
        for file, size in zip(tree.files, sizes[len(modules) :], strict=True):
            for part in publish_file(file, wanted, report):
                show(before + round(size * part), file)
            report.done += 1
            before += size
            show(before, file)
    tell(path, wanted, report)


@dataclass(slots=True)
class Lines:
    """What `--json` tells of a directory meanwhile: a line whenever something more is done.

    `done` of `total` are bytes; `published`, which may have been there, and the others are counts.
    """

    report: Report
    total: int
    is_wanted: bool
    last: Json = field(default_factory=dict[str, object])

    def tell(self, done: int, what: Path) -> None:
        """`what` is the file, or the module's folder, that it came to."""
        if not self.is_wanted:
            return
        counts = {
            name: len(getattr(self.report, name)) for name in ("published", "refused", "skipped")
        }
        line: Json = {"stage": "publish", "id": str(what), "done": done, "total": self.total}
        line = {**line, **counts}
        if line != self.last:
            print_event("progress", line)
        self.last = line


def size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # gone since; whoever opens it says so
        return 0


def read_those(folders: Sequence[Path], report: Report) -> list[SeenModule]:
    """The modules that can be read; the others are in the report, and on the node's list."""
    modules: list[SeenModule] = []
    for folder in folders:
        try:
            modules.append(seen(read_module(folder)))
        except Failure as refused:
            note_unread(folder, refused)
            refuse_module(folder, refused, report)
            report.done += 1
    return modules


def refuse_module(folder: Path, refused: Failure, report: Report) -> None:
    problem = refused.problem
    detail = str(problem.get("detail", ""))
    shown = detail if detail.startswith(str(folder)) else f"{folder}: {detail}"
    said = {"code": problem["code"], "detail": shown, "errors": problem.get("errors", [])}
    report.refuse(folder, "", {"kind": "module", **said})
    report.only_exit = refused.exit


def publish_module(
    known: SeenModule, all: Sequence[SeenModule], wanted: Wanted, report: Report
) -> None:
    """In the report. Raises `Failure` for what would be the same for everything else."""
    try:
        module = read_again(known)
    except Failure as refused:
        note_unread(known.folder, refused)
        refuse_module(known.folder, refused, report)
        return
    body = module.body(
        changelog=wanted.changelog, dry_run=wanted.dry_run, namespace=wanted.namespace
    )
    about: Json = {"kind": "module", "file": str(module.folder), "name": module.id}
    try:
        answer = node().post("/api/modules", body, timeout_s=PUBLISH_TIMEOUT_S)
    except Failure as refused:
        if refused.exit in ENDS_ALL:
            raise
        if (refused.problem.get("code"), refused.exit) == ("version-exists", CONFLICT):
            report_known(module, refused, wanted, report)
        elif circle := circle_through(known, all, refused):
            refuse_module(module.folder, circle, report)
        elif wanted.dry_run and (first := waits_for(known, all, refused, report)):
            report.published.append(
                {**about, "state": "published", "dry_run": True, "waits_for": first}
            )
            names = ", ".join(map(short_name, first))
            say_shortly(f"would publish {short_name(module.id)} {module.version} after {names}")
        else:
            refuse_module(module.folder, refused, report)
        return
    report.published.append({**about, **answer, "state": "published"})
    if not wants_json():
        print_published(answer)


def say_shortly(line: str) -> None:
    if not wants_json():
        say(printable(line), fg="green")


def report_known(module: ModuleFiles, refused: Failure, wanted: Wanted, report: Report) -> None:
    """There already, where what is published is what lies here; else it is refused."""
    there = compared(module, wanted.namespace)
    if isinstance(there, Failure):
        if there.exit in ENDS_ALL:
            raise there
        refuse_module(module.folder, refused, report)
    elif there.differs:
        said = refused.problem.get("detail", "")
        detail = f"{said}; what lies here differs in {', '.join(there.differs)}"
        problem = {**refused.problem, "detail": detail}
        refuse_module(module.folder, Failure(problem, refused.exit), report)
    else:
        about = {"kind": "module", "file": str(module.folder), "name": module.id}
        is_there = {"module": there.name, "version": module.version, "sha256": there.sha256}
        state = {"dry_run": wanted.dry_run, "state": "known"}
        report.published.append({**about, **is_there, **state})
        say_shortly(f"is there  module {short_name(module.id)} {module.version}")


def waits_for(
    module: SeenModule, all: Sequence[SeenModule], refused: Failure, report: Report
) -> list[str]:
    """Those of the same directory that it needs and that a dry run leaves unpublished.

    None where one of them is refused itself.
    """
    unmet = unmet_in(refused)
    folders = {one["file"] for one in report.refused}
    first = [other for other in all if other is not module and other.id in module.needs]
    if not any(other.id in unmet for other in first):
        return []
    coming = {other.id for other in first if str(other.folder) not in folders}
    return sorted(coming) if coming == {other.id for other in first} else []


def circle_through(
    module: SeenModule, all: Sequence[SeenModule], refused: Failure
) -> Failure | None:
    """Why it can never go: what it needs here needs it. None where that is not why.

    The node's own reason stays, before it: an older version may be there of what is on the circle.
    """
    from registry.circles import circles

    unmet = module.needs & unmet_in(refused)
    if not unmet:
        return None
    needs: dict[str, set[str]] = {}
    for one in all:
        needs.setdefault(one.id, set()).update(one.needs)
    for circle in islice(circles(needs), CIRCLES_MAX):
        if module.id in circle and unmet.intersection(circle):
            way = " → ".join(map(short_name, (*circle, circle[0])))
            detail = (
                f"{refused.problem.get('detail', '')}\nIt needs itself, by {way}. A module is"
                " published after what it needs: publish a version of one of them without that"
                " first."
            )
            return Failure({**refused.problem, "detail": detail}, refused.exit)
    return None


def unmet_in(refused: Failure) -> frozenset[str]:
    """The ids, among other words, that the node names where needs are not met."""
    problem = refused.problem
    if problem.get("code") not in UNMET:
        return frozenset()
    words = str(problem.get("detail", "")).split()
    return frozenset(word.rpartition("/")[2].strip(WORD_ENDS) for word in words)
