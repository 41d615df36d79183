"""SPDX licence expressions, by shape: `MIT`, `Apache-2.0 OR MIT`, `(A AND B) OR C WITH D`.

Whether an identifier is on SPDX's list is not asked: the list moves, and two nodes would disagree.
"""

import re

EXPRESSION_CHARACTERS_MAX = 128

_TOKEN = re.compile(r"\s*([()]|[A-Za-z0-9][A-Za-z0-9.:+-]*)\s*", re.ASCII)
_OPERATORS = ("AND", "OR", "WITH")


def license_problem(text: str) -> str | None:
    """What keeps `text` from being an expression, or None."""
    if len(text) > EXPRESSION_CHARACTERS_MAX:
        return f"{len(text)} characters, at most {EXPRESSION_CHARACTERS_MAX}"
    tokens: list[str] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match:
            return "is no SPDX expression such as MIT or Apache-2.0 OR MIT"
        tokens.append(match[1])
        at = match.end()
    return _order_problem(tokens)


def licenses_of(text: str) -> tuple[str, ...]:
    """The licences that an expression names, in lower case, sorted; none where it is no expression.

    `MIT` is found in `Apache-2.0 OR MIT`; what is said WITH a licence is no licence.
    """
    if license_problem(text):
        return ()
    tokens = _TOKEN.findall(text)
    after_with = {at + 1 for at, token in enumerate(tokens) if token == "WITH"}
    return tuple(
        sorted(
            {
                token.lower()
                for at, token in enumerate(tokens)
                if token not in (*_OPERATORS, "(", ")") and at not in after_with
            }
        )
    )


def _order_problem(tokens: list[str]) -> str | None:
    """Identifiers and operators take turns, and parentheses close what they open."""
    depth = 0
    wants_operand = True
    for token in tokens:
        is_operator = token in _OPERATORS
        if wants_operand != (token == "(" or not (is_operator or token == ")")):
            return f"{token} is out of place; write for example MIT, or Apache-2.0 OR MIT"
        depth += (token == "(") - (token == ")")
        if depth < 0:
            return "a ) without its ("
        wants_operand = is_operator or token == "("
    if depth:
        return "a ( without its )"
    if not tokens:
        return "is empty; leave it out, or write for example MIT"
    return "ends too early" if wants_operand else None
