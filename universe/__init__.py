"""Universes, snapshots, timelines, forks, passages and players: values and machines, no IO."""
