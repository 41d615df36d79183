"""`universe`: worlds of games, their snapshots and timelines."""

from __future__ import annotations

import click

from node.commands.universe_client import client
from node.commands.universe_export import export_command
from node.commands.universe_import import import_command


@click.group("universe")
def universe_command() -> None:
    """Keep the worlds of games: their snapshots, timelines and forks."""


universe_command.add_command(client)
universe_command.add_command(export_command)
universe_command.add_command(import_command)
