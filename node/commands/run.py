"""`run`: call an export of an installed module, inside the limits of the node."""

from __future__ import annotations

from math import isfinite, isnan

import click

from node.commands.console import node, print_json, say, wants_json
from node.failure import Json
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


def as_json(value: int | float) -> int | float | str:
    """JSON has no number for NaN and the infinities; the node takes their names."""
    if isinstance(value, int) or isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def as_number(one: Json) -> int | float | None:
    """A result as a plain number of any size; None for what JSON has none for."""
    value = one["value"]
    if one["type"] in ("i32", "i64"):
        return int(value)
    return None if isinstance(value, str) else float(value)


@click.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("export")
@click.argument("args", nargs=-1, type=Number())
@click.option("--fuel", type=click.IntRange(min=1), help="Instructions it may use.")
def run_command(name: str, export: str, args: tuple[int | float, ...], fuel: int | None) -> None:
    """Run an export of an installed module."""
    module, _, version = name.partition("@")
    sent = [*map(as_json, args)]
    body: dict[str, object] = {"id": module, "export": export, "args": sent}
    if version:
        body["version"] = version
    if fuel:
        body["fuel"] = fuel
    answer = node().post("/api/run", body, timeout_s=RUN_TIMEOUT_S)
    values: list[Json] = answer["results"]
    if wants_json():
        plain = [as_number(one) for one in values]
        return print_json("run", {**answer, "results": plain, "values": values})
    say(" ".join(printable(str(one["value"])) for one in values))
    used = f"{answer['fuel_used']:,} instructions, {size_text(answer['memory_bytes'])}"
    say(f"{used}, {answer['duration_ms']:.1f} ms", dim=True, err=True)
