"""Numbers of WebAssembly as JSON that loses nothing.

    {"type": "i32", "value": -1}        {"type": "i64", "value": "9223372036854775807"}
    {"type": "f64", "value": 0.5}       {"type": "f32", "value": "NaN"}

JavaScript keeps whole numbers up to 2^53, so an i64 is a text; JSON has no number for NaN and the
infinities, so they are "NaN", "Infinity" and "-Infinity", as JavaScript and Python read them.
Arguments may come in this form, or bare: the number, or the text.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from node.errors import Fault, Rejected
from node.workers.messages import NumberType
from registry.errors import quoted

NUMBER: Final = (
    r"^(NaN|nan|[+-]?(Infinity|inf)|[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?)$"
)
Number: TypeAlias = int | float | Annotated[str, Meta(pattern=NUMBER)]
WHOLE: Final = frozenset({"i32", "i64"})


class Value(Struct, frozen=True, forbid_unknown_fields=True):
    """A number of WebAssembly. Of i64 a text; of f32 and f64 a text where JSON has no number."""

    type: NumberType
    value: Number


Argument: TypeAlias = Number | Value


def shown(types: Sequence[NumberType], results: Iterable[int | float]) -> tuple[Value, ...]:
    """Results as they are sent; `types` are theirs, in order."""
    return tuple(Value(type, _shown(type, one)) for type, one in zip(types, results, strict=True))


def _shown(type: str, value: int | float) -> Number:
    if type == "i64":
        return str(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def given(arguments: Iterable[Argument]) -> tuple[tuple[int | float, ...], tuple[str, ...]]:
    """The numbers, and the type each was said to be of, or "". Raises `Rejected`."""
    values: list[int | float] = []
    types: list[str] = []
    for place, one in enumerate(arguments):
        number = one.value if isinstance(one, Value) else one
        type = one.type if isinstance(one, Value) else ""
        value = _read(number, place, is_real=type not in ("", *WHOLE))
        if type in WHOLE and not isinstance(value, int):
            raise _wrong(place, f"{quoted(str(number))} is no {type}")
        values.append(value)
        types.append(type)
    return tuple(values), tuple(types)


def _read(number: Number, place: int, *, is_real: bool) -> int | float:
    """JavaScript writes reals up to 1e21 like whole numbers, far beyond what an i64 holds."""
    text = number if isinstance(number, str) else ""
    if isinstance(number, int) or text.lstrip("+-").isdecimal():
        whole = int(number)
        if not is_real and -(1 << 63) <= whole < 1 << 64:
            return whole
    try:
        value = float(number)  # of the text: -0 is another number than 0
    except OverflowError:
        value = math.inf
    if math.isinf(value) and "inf" not in text.lower():
        raise _wrong(place, f"{quoted(str(number)[:50])} is larger than any number")
    return value


def _wrong(place: int, detail: str) -> Rejected:
    said = f"argument {place + 1}: {detail}"
    return Rejected(said, code="wrong-arguments", faults=(Fault(f"/args/{place}", said),))
