"""Universes, their timelines, forks and lineages: values and state machines, no IO."""
