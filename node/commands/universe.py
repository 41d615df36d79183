"""`universe`: worlds of games, their snapshots, timelines and forks."""

from __future__ import annotations

import click

from node.commands import universe_history, universe_made
from node.commands.universe_client import client
from node.commands.universe_export import export_command
from node.commands.universe_files import open_, snapshot
from node.commands.universe_import import import_command


@click.group("universe")
def universe_command() -> None:
    """Keep the worlds of games: their snapshots, timelines and forks.

    UNIVERSE is an id, or WHOSE/ID of somebody else's; without it the only one of yours is meant.
    """


universe_command.add_command(client)
universe_command.add_command(universe_made.create)
universe_command.add_command(universe_made.delete)
universe_command.add_command(universe_history.event)
universe_command.add_command(export_command)
universe_command.add_command(universe_history.fork)
universe_command.add_command(universe_history.forks)
universe_command.add_command(import_command)
universe_command.add_command(universe_made.list_)
universe_command.add_command(open_)
universe_command.add_command(universe_history.prune)
universe_command.add_command(universe_made.show)
universe_command.add_command(snapshot)
universe_command.add_command(universe_made.snapshots)
universe_command.add_command(universe_history.timeline)
