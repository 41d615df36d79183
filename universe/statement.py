"""Statements that are signed, one shape for all: snapshots, receipts, hand-overs.

```
value ─▸ map of what it says ─▸ canonical CBOR ─▸ signature of that
bytes ─▸ its wire struct     ─▸ value, of which it is the only statement
```
What is not said is left out. So there is one statement for what a value says, and one id.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from crdt import cbor
from crdt.ed25519 import verify_strict
from registry.errors import InvalidStatement, quoted
from registry.wire import decoded


class Typed(Protocol):
    """What begins each wire struct."""

    @property
    def type(self) -> str: ...


V = TypeVar("V")
W = TypeVar("W", bound=Typed)
P = TypeVar("P", bound=tuple[bytes, ...])
DEPTH: Final = 2
"""Maps within a statement: a traveller, a decay, a place in a chain."""


@dataclass(frozen=True, slots=True)
class Form(Generic[V, W]):
    """How one kind of statement is written and read."""

    name: str
    """In messages, with its article."""
    kind: str
    """The `type` that it says."""
    wire: type[W]
    bytes_max: int
    said: Callable[[V], dict[str, Any]]
    """All that it says, but the type."""
    read: Callable[[W], V]
    wrong: Callable[[V], str | None]
    """Why readers refuse it, or None."""

    def encode(self, value: V) -> bytes:
        """Raises `InvalidStatement` where it would not be read back."""
        if wrong := self.wrong(value):
            raise InvalidStatement(f"{self.name} that nobody would read: {wrong}")
        try:
            statement = self._written(value)
        except (TypeError, ValueError) as error:
            raise InvalidStatement(f"{self.name} that cannot be written down: {error}") from error
        if len(statement) > self.bytes_max:
            raise InvalidStatement(f"{self.name} of {len(statement)} bytes")
        return statement

    def decode(self, statement: bytes) -> V:
        """What was signed. Raises `InvalidStatement` for anything that is not exactly one."""
        what = f"not {self.name}"
        wire = decoded(
            statement,
            self.wire,
            InvalidStatement,
            what,
            bytes_max=self.bytes_max,
            depth_max=DEPTH,
        )
        if wire.type != self.kind:
            raise InvalidStatement(f"a statement of type {quoted(wire.type)}, not {self.kind}")
        value = self.read(wire)
        if wrong := self.wrong(value):
            raise InvalidStatement(f"{what}: {wrong}")
        if self._written(value) != statement:
            raise InvalidStatement(f"{what}: it spells out what is to be left out")
        return value

    def check(self, statement: bytes, signature: bytes, key: bytes) -> None:
        """Raises `InvalidStatement` where that key did not sign it."""
        if not verify_strict(key, signature, statement):
            raise InvalidStatement(f"the signature of {self.name} does not match")

    def _written(self, value: V) -> bytes:
        return cbor.encode({"type": self.kind, **self.said(value)})


def parts_of(data: bytes, kind: type[P], lengths: Sequence[int], what: str, bytes_max: int) -> P:
    """A statement and what stands behind it, of these lengths; nothing of it is verified.

    Raises `InvalidStatement` that begins with `what`.
    """
    parts = decoded(data, kind, InvalidStatement, what, bytes_max=bytes_max)
    if [len(one) for one in parts[1:]] != [*lengths]:
        raise InvalidStatement(f"{what}: a signature or a key of another length")
    return parts
