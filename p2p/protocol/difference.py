"""How far two peers are apart, as far as one of them knows: for people who ask why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """Entries, of the areas in common."""

    behind: int
    """Known to be at the peer and not here: asked of it or of another, or waiting to be."""
    ahead: int
    """Announced to the peer, or about to be, and not settled by it; of long ranges an estimate."""
    is_comparing: bool
    is_equal: bool
    """Whether all areas that were compared to the end were equal the last time."""
    compared_s: float | None
    """By the session's clock, when the last area was; None where none was yet."""
