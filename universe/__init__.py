"""Universes, ledgers and simulations: values and state machines, no IO. Not built yet."""
