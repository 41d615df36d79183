"""Values of ours in canonical CBOR that strangers wrote: statements, evaluations, terms."""

from typing import TypeVar

import msgspec

from crdt import cbor
from crdt.errors import Malformed
from registry.errors import RegistryError

T = TypeVar("T")


def decoded(
    data: bytes,
    kind: type[T],
    error: type[RegistryError],
    what: str,
    *,
    bytes_max: int,
    depth_max: int = 1,
) -> T:
    """Raises `error`, which begins with `what`, for anything that is not exactly one of `kind`."""
    try:
        fields = cbor.decode(data, bytes_max=bytes_max, depth_max=depth_max)
        # Text is no bytes: else base64 would be a second encoding of the same value.
        return msgspec.convert(fields, kind, builtin_types=(bytes,))
    except Malformed as wrong:
        raise error(f"{what}: {wrong.detail}") from wrong
    except msgspec.ValidationError as wrong:
        raise error(f"{what}: {wrong}") from wrong
