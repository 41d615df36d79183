"""`config`: the settings, where each comes from, and changing one in config.toml."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import cast

import click

from node.commands.console import home, print_json, print_table, say, wants_json
from node.commands.files import write_atomically
from node.failure import Failure, failed
from node.text import printable


@click.group("config")
def config_command() -> None:
    """Show or change the settings, and where each comes from."""


@config_command.command("show")
@click.option("--origin", is_flag=True, help="Say where each setting comes from.")
def show(origin: bool) -> None:
    """Print every setting."""
    from node.errors import NodeError
    from node.home import Home
    from node.settings import load_config

    place = Home(Path(home()))
    try:
        text = place.config_text()
        settings = load_config({}, os.environ, text, source=str(place.config_file)).settings()
    except NodeError as error:
        raise bad_setting(error) from error
    if wants_json():
        rows = {s.name: {"value": s.value, "origin": s.origin} for s in settings}
        return print_json("config", {"file": str(place.config_file), "settings": rows})
    if origin:
        rows_of = ((s.name, value_text(s.value), s.origin) for s in settings)
        return print_table(("SETTING", "VALUE", "FROM"), rows_of)
    for setting in settings:
        say(f"{setting.name} = {printable(value_text(setting.value))}")


@config_command.command("set")
@click.argument("name")
@click.argument("value")
def set_(name: str, value: str) -> None:
    """Change a setting in config.toml; it holds from the next start."""
    from node.errors import NodeError
    from node.home import Home
    from node.settings import check_setting, load_config, without_secrets

    place = Home(Path(home()))
    try:
        checked = check_setting(name, value)
        place.make()
        text = with_setting(place.config_text(), name, value_text(checked))
        load_config({}, {}, text, source=str(place.config_file))
    except NodeError as error:
        raise bad_setting(error) from error
    write_atomically(place.config_file, text.encode(), mode=0o600)
    shown = without_secrets(name, checked)
    running = is_running(str(place.path))
    if wants_json():
        told = {"file": str(place.config_file), "name": name, "value": shown}
        return print_json("config", {**told, "needs_restart": running})
    say(f"{name} = {value_text(shown)}, in {place.config_file}")
    if running:
        say("The node that runs goes on with what it began with: panspermia down, then up")


@config_command.command("path")
def path() -> None:
    """Print where config.toml is."""
    from node.home import Home

    file = str(Home(Path(home())).config_file)
    return print_json("config", {"file": file}) if wants_json() else say(file)


def is_running(root: str) -> bool:
    from node.client import find_client

    try:
        find_client(root).get_quick("/healthz")
    except Failure:
        return False
    return True


def bad_setting(error: Exception) -> Failure:
    return failed("bad-setting", "A setting cannot be read", str(error))


def value_text(value: object) -> str:
    """The value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        items = cast("tuple[object, ...] | list[object]", value)
        return f"[{', '.join(map(value_text, items))}]"
    if isinstance(value, (int, float)):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def with_setting(text: str, name: str, value: str) -> str:
    """`text` with the one line changed, all comments kept. Raises `Failure` where it cannot."""
    section, _, key = name.partition(".")
    lines = text.splitlines()
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?")
    start = next((n for n, line in enumerate(lines) if header.fullmatch(line)), None)
    if start is None:
        lines += [f"[{section}]", f"{key} = {value}"]
    else:
        rest = range(start + 1, len(lines))
        end = next((n for n in rest if lines[n].lstrip().startswith("[")), len(lines))
        setting = re.compile(rf"\s*{re.escape(key)}\s*=")
        at = next((n for n in range(start + 1, end) if setting.match(lines[n])), None)
        lines[start + 1 if at is None else at : start + 1 if at is None else at + 1] = [
            f"{key} = {value}"
        ]
    changed = "\n".join(lines) + "\n"
    try:
        wanted = tomllib.loads(f"value = {value}")["value"]
        if tomllib.loads(changed)[section][key] == wanted:
            return changed
    except tomllib.TOMLDecodeError:
        pass
    raise failed("bad-setting", "config.toml is written in a way only a person can edit", name)
