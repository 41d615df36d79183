"""Which rows of `listing l` are halves of passages that are meant: by ends, and by who says it."""

from dataclasses import dataclass
from typing import Final

_END: Final = "CAST({0}.fields AS TEXT) ->> '$.{1}'"
_ID: Final = f"substr({_END}, instr({_END}, '/') + 1)"
_OWNER: Final = f"substr({_END}, 1, instr({_END}, '/') - 1)"
_BY_ID: Final = f"SELECT p.document FROM listing p WHERE p.kind = 'passage' AND {_ID} = ?"
PROPOSES: Final = (
    f"{_END.format('l', 'proposal')} = ''"
    f" AND l.author IN ({_OWNER.format('l', 'source')}, {_OWNER.format('l', 'target')})"
)
"""Said by the owner of an end, and no answer to what another one proposes."""


@dataclass(frozen=True, slots=True)
class Halves:
    """`end`: of a universe's passages, its full name or its id, whoever's it is.

    `are_proposals`: only what the owner of an end proposes. What accepts it, and what anybody says
    of universes of others, is left out.
    """

    end: str | None = None
    are_proposals: bool = False

    def documents(self) -> tuple[str, tuple[object, ...]] | None:
        """SQL of their documents, and the values in it; None where the ends do not matter."""
        if self.end is None:
            return None
        _, slash, id = self.end.rpartition("/")
        each: list[str] = []
        for name in ("source", "target"):
            full = f" AND {_END.format('p', name)} = ?" if slash else ""
            each.append(_BY_ID.format("p", name) + full)
        values = (id, self.end) if slash else (id,)
        return " UNION ALL ".join(each), (*values, *values)
