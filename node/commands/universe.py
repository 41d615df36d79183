"""`universe`: worlds of games, their snapshots and timelines."""

from __future__ import annotations

import click

from node.commands.universe_client import client


@click.group("universe")
def universe_command() -> None:
    """Keep the worlds of games: their snapshots, timelines and forks."""


universe_command.add_command(client)
