"""`run`: call an export of an installed module, inside the limits of the node."""

from __future__ import annotations

import click

from node.commands.console import node, print_json, say, wants_json
from node.text import printable, size_text

# The node stops a call by fuel long before; this is for a node that hangs.
RUN_TIMEOUT_S = 120.0


class Number(click.ParamType[int | float, str]):
    """A whole number stays whole: i64 arguments do not fit into a float."""

    name = "number"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        for kind in (int, float):
            try:
                return kind(value)
            except ValueError:
                continue
        self.fail(f"{value!r} is no number", param, ctx)


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("export")
@click.argument("args", nargs=-1, type=Number())
@click.option("--fuel", type=click.IntRange(min=1), help="Instructions it may use.")
def run_command(name: str, export: str, args: tuple[int | float, ...], fuel: int | None) -> None:
    """Run an export of an installed module."""
    module, _, version = name.partition("@")
    body: dict[str, object] = {"id": module, "export": export, "args": list(args)}
    if version:
        body["version"] = version
    if fuel:
        body["fuel"] = fuel
    answer = node().post("/api/run", body, timeout_s=RUN_TIMEOUT_S)
    if wants_json():
        return print_json("run", answer)
    say(" ".join(printable(str(result)) for result in answer["results"]))
    used = f"{answer['fuel_used']:,} instructions, {size_text(answer['memory_bytes'])}"
    say(f"{used}, {answer['duration_ms']:.1f} ms", dim=True, err=True)
