"""The short code of an invite: what a person reads out, types, or scans.

    code  = 4 groups of 4 characters, as in K7QX-2M9P-D4TV-8HNE (Crockford's base32)
    group = 3 characters of the secret, then one that checks them: x·a + x²·b + x³·c + number of
            the group (from 1) in GF(32), modulo x⁵ + x² + 1

Sixty bits are secret and twenty a check. Every slip of one character and every two of a group that
changed places are found, and groups that did; and it is known in which group. Case, blanks and
dashes do not matter; O is read as 0, I and L as 1. Source: Douglas Crockford, "Base 32 Encoding".
"""

from typing import Final

from p2p.protocol.errors import LocalProtocolError

SECRET_BYTES: Final = 8
"""The 60 bits, big-endian, with four zero bits before them."""
SECRET_BITS: Final = 60
GROUPS: Final = 4
GROUP_CHARACTERS: Final = 4
CODE_CHARACTERS: Final = GROUPS * GROUP_CHARACTERS
CODE_TEXT_MAX: Final = 128
"""Characters of what may be a short code, blanks and dashes with them."""

LONG_PREFIX: Final = "psp"
"""Of the codes that are not short: docs/protocol/codes.md."""

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}
_READ_AS: Final = str.maketrans("OIL", "011")
_DROPPED: Final = frozenset(" \t\r\n-_.\u00a0\u2010\u2011\u2012\u2013\u2014\u2212")
_FIELD: Final = 0b100101
_NAMES: Final = ("first", "second", "third", "fourth")


def write_code(secret: bytes) -> str:
    """The code of 60 random bits, in 8 bytes whose first four bits are zero."""
    number = int.from_bytes(secret, "big")
    assert len(secret) == SECRET_BYTES
    assert number < 1 << SECRET_BITS
    data = [number >> 5 * at & 31 for at in reversed(range(SECRET_BITS // 5))]
    groups = [data[at : at + 3] for at in range(0, len(data), 3)]
    return "-".join(
        "".join(ALPHABET[one] for one in (*group, _check(group, place)))
        for place, group in enumerate(groups, start=1)
    )


def read_code(text: str) -> bytes:
    """The secret that was typed.

    Raises `LocalProtocolError`: `invite-code` where it cannot be a code, `invite-mistyped` where it
    says which group is wrong. Neither repeats what was typed.
    """
    characters = _characters(text)
    if len(characters) != CODE_CHARACTERS:
        sentence = f"a short code has 16 letters and digits, and this has {len(characters)}"
        raise LocalProtocolError("invite-code", sentence)
    groups = [
        characters[at : at + GROUP_CHARACTERS] for at in range(0, CODE_CHARACTERS, GROUP_CHARACTERS)
    ]
    wrong = [name for place, name in enumerate(_NAMES) if not _is_right(groups[place], place + 1)]
    if wrong:
        verb = "group is" if len(wrong) == 1 else "groups are"
        sentence = f"the {' and the '.join(wrong)} {verb} mistyped: look at the code again"
        raise LocalProtocolError("invite-mistyped", sentence)
    number = 0
    for group in groups:
        for character in group[:3]:
            number = number << 5 | _VALUES[character]
    return number.to_bytes(SECRET_BYTES, "big")


def may_be_code(text: str) -> bool:
    """Whether a person meant a short code: it is no longer than one, give or take a slip."""
    return (
        len(text) <= CODE_TEXT_MAX
        and len(_characters(text)) <= CODE_CHARACTERS + GROUP_CHARACTERS
        and not text.strip().lower().startswith(LONG_PREFIX)
    )


def _characters(text: str) -> str:
    kept = "".join(one for one in text[: CODE_TEXT_MAX + 1] if one not in _DROPPED)
    return kept.upper().translate(_READ_AS)


def _is_right(group: str, place: int) -> bool:
    values = [_VALUES.get(character, -1) for character in group]
    return min(values) >= 0 and _check(values[:3], place) == values[3]


def _check(group: list[int], place: int) -> int:
    total = 0
    for value in reversed(group):
        total = _times_x(total ^ value)
    return total ^ place


def _times_x(value: int) -> int:
    doubled = value << 1
    return doubled ^ _FIELD if doubled & 32 else doubled
