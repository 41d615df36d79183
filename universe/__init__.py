"""Universes, their snapshots and timelines: values and state machines, no IO."""
