"""Invites: a short code, what is derived from it, and the conversation that redeems it."""
