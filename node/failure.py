"""How a command fails: the API's problem object, an exit code, a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, cast

import click

from node.exit_codes import BY_STATUS, FAILED, exit_code
from node.text import printable

Json = Mapping[str, Any]


class Failure(click.ClickException):
    """A problem object: as JSON on stdout, else as sentences on stderr."""

    def __init__(self, problem: Json, exit: int | None = None) -> None:
        super().__init__(str(problem.get("title", "The command failed")))
        self.problem = dict(problem)
        status, code = problem.get("status", 500), str(problem.get("code", ""))
        self.exit = exit_code(status, code) if exit is None else exit

    def show(self, file: IO[Any] | None = None) -> None:
        click.secho(f"error: {printable(self.message)}", fg="red", err=True, file=file)
        detail = str(self.problem.get("detail", ""))
        for line in detail.splitlines():
            click.echo(printable(line), err=True, file=file)
        for wrong in self.problem.get("errors") or ():
            where, what = str(wrong.get("pointer", "")), str(wrong.get("detail", ""))
            if what not in detail:
                click.echo(f"  {printable(where)}: {printable(what)}", err=True, file=file)
        for candidate in map(name_of, self.problem.get("candidates") or ()):
            if candidate not in detail:
                click.echo(f"  {printable(candidate)}", err=True, file=file)


def failure(code: str, title: str, detail: str, exit: int, **more: object) -> Failure:
    """A problem found by the command itself, before or after the node was asked."""
    status = next((status for status, ends in BY_STATUS.items() if ends == exit), 500)
    problem = {"type": f"/problems/{code}", "title": title, "status": status, "code": code}
    return Failure({**problem, "detail": detail, **more}, exit)


def failed(code: str, title: str, detail: str, **more: object) -> Failure:
    """The same, for what has no exit code of its own."""
    return failure(code, title, detail, FAILED, **more)


def name_of(candidate: object) -> str:
    """A candidate for an ambiguous name is `did/id`, plain or in a record."""
    return str(cast("Json", candidate)["id"]) if isinstance(candidate, dict) else str(candidate)
