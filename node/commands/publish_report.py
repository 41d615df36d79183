"""What became of each file and module that was to be published, and how it is told at the end."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from node.commands.console import print_json, print_result, say, wants_json
from node.commands.module_parts import say_left_alone
from node.exit_codes import (
    FAILED,
    INTERRUPTED,
    NETWORK,
    NOT_FOUND,
    NOT_RUNNING,
    exit_code,
)
from node.failure import Failure, Json, failure
from node.text import printable

if TYPE_CHECKING:
    from registry.errors import RegistryError

TOLD_MAX: Final = 100
"""Of what was refused, on a screen."""
SKIPPED_SHOWN_MAX: Final = 10
NOTHING: Final[Json] = {}
NEW: Final = ("published", "updated")
AGAIN: Final = (
    "The same command goes on where this one stopped: what is there already is not published again."
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the line said. `overrides` are fields of each genome, seed or lineage."""

    kind: str | None
    namespace: str
    dry_run: bool
    update: bool = False
    overrides: Json = field(default_factory=dict[str, object])
    changelog: str = ""


@dataclass(slots=True)
class Report:
    """What became of each file. `total` counts the modules and files that there are to do."""

    published: list[Json] = field(default_factory=list[Json])
    refused: list[Json] = field(default_factory=list[Json])
    skipped: list[str] = field(default_factory=list[str])
    in_modules: list[str] = field(default_factory=list[str])
    """Files of known formats that belong to modules, and are no publication of their own."""
    passed_over: list[Json] = field(default_factory=list[Json])
    """Links, pipes and the like: nothing opens them."""
    warnings: list[str] = field(default_factory=list[str])
    total: int = 0
    done: int = 0
    only_exit: int = FAILED
    """How the command ends where one thing alone was there, and was refused."""

    def refuse(self, file: Path | str, place: str, said: Json) -> None:
        self.refused.append({"file": str(file), "place": place, **said})

    def lines(self) -> list[str]:
        """Why each was refused, for a screen: no name of a file begins a line of its own."""
        shown = [
            one["detail"].replace(one["file"], printable(one["file"]))
            for one in self.refused[:TOLD_MAX]
        ]
        if (more := len(self.refused) - TOLD_MAX) > 0:
            shown.append(f"… and {more:,} more; --json has them all")
        return shown

    def refuse_invalid(self, file: Path, error: RegistryError) -> None:
        """With its folder: several of one name may lie in a directory."""
        place = str(getattr(error, "place", ""))
        named = str(getattr(error, "file", ""))
        reason = error.detail.removeprefix(f"{named}: ") if named else error.detail
        self.refuse(file, place, {"code": error.code, "detail": f"{file}: {reason}"})
        self.only_exit = exit_code(422, error.code)

    def refuse_unreadable(self, path: Path | str, error: OSError) -> None:
        self.refuse(path, "", {"code": "cannot-read", "detail": f"{path}: {error.strerror}"})

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        if not wants_json():
            say(printable(f"warning: {text}"), fg="yellow", err=True)

    @property
    def new(self) -> int:
        return sum(one["state"] in NEW for one in self.published)

    @property
    def body(self) -> Json:
        return {
            "published": self.published, "refused": self.refused, "skipped": self.skipped,
            "in_modules": self.in_modules, "passed_over": self.passed_over,
            "warnings": self.warnings,
        }  # fmt: skip


@contextmanager
def told_how_far(report: Report) -> Generator[None]:
    """What ends all of it, the node or a Ctrl-C, is a `Failure` that says how far it came."""
    try:
        yield
    except KeyboardInterrupt:
        title = "Publishing was interrupted"
        raise broken_off(failure("interrupted", title, "", INTERRUPTED), report) from None
    except Failure as failed:
        raise broken_off(failed, report) from failed


def broken_off(failed: Failure, report: Report) -> Failure:
    is_begun = bool(report.published or report.refused)
    if failed.problem.get("code") == "node-not-running" and not is_begun:
        return failed
    there = len(report.published) - report.new
    counts = f"{report.new:,} published, {there:,} there already, {len(report.refused):,} refused"
    lines = [str(failed.problem.get("detail", ""))]
    lines.append(f"{counts}; {report.total - report.done:,} of {report.total:,} files are left.")
    if failed.exit in (NOT_RUNNING, NETWORK, INTERRUPTED):
        lines.append(AGAIN)
    detail = "\n".join(filter(None, lines))
    return Failure({**failed.problem, "detail": detail, **report.body}, failed.exit)


def tell(path: Path, wanted: Wanted, report: Report) -> None:
    """The end of it. Raises `Failure` where something was refused, or nothing was there."""
    if not report.published and not report.refused:
        names = "the file" if path.is_file() else f"any of {len(report.skipped)} files"
        if not wants_json():
            say_left_alone(report.in_modules)
            say_passed_over(report)
        detail = (
            f"{path}: nobody can tell what {names} is. Name the kind, as in --kind genome; a module"
            " has a gen.toml."
        )
        raise failure(
            "no-manifest", "There is nothing to publish", detail, NOT_FOUND, **report.body
        )
    if report.refused:
        if not wants_json():
            say_skipped(report)
        raise _refused(report)
    if wants_json():
        first = report.published[0] if len(report.published) == 1 else NOTHING
        body = {"kind": wanted.kind, **first, **report.body}
        if path.is_dir():
            return print_result("publish", body)
        return print_json("publish", body)
    if len(report.published) > 1:
        say(
            f"{report.new:,} {'would be ' * wanted.dry_run}published,"
            f" {len(report.published) - report.new:,} there already"
        )
    say_skipped(report)
    return None


def say_skipped(report: Report) -> None:
    """What was looked at and not published, by name: of no known format, or a module's own."""
    say_left_alone(report.in_modules)
    say_passed_over(report)
    if not report.skipped:
        return
    names = ", ".join(report.skipped[:SKIPPED_SHOWN_MAX])
    more = len(report.skipped) - SKIPPED_SHOWN_MAX
    names += f" and {more:,} more" if more > 0 else ""
    say(printable(f"left out, as of no known format: {names}"), dim=True, err=True)


def say_passed_over(report: Report) -> None:
    if not (found := report.passed_over):
        return
    shown = ", ".join(f"{one['file']} ({one['reason']})" for one in found[:SKIPPED_SHOWN_MAX])
    if (more := len(found) - SKIPPED_SHOWN_MAX) > 0:
        shown += f" and {more:,} more"
    say(printable(f"passed over: {shown}"), dim=True, err=True)


def _refused(report: Report) -> Failure:
    if len(report.refused) == 1 and not report.published:
        only = report.refused[0]
        title = "This cannot be published"
        return failure(only["code"], title, report.lines()[0], report.only_exit, **report.body)
    there = len(report.published) - report.new
    title = f"{len(report.refused):,} refused, {report.new:,} published, {there:,} there already"
    return failure("some-refused", title, "\n".join(report.lines()), FAILED, **report.body)
