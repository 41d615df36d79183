"""The document of all changes that the library takes, whatever some of them are.

A device that may write can sign a change that Automerge cannot take; it must not take the document
of the others with it. Such changes are found by halving: a run that fails is taken in two, and what
builds on a refused change is not tried.
"""

from collections.abc import Sequence

from crdt.document import Document, Skeleton, load_valid
from crdt.errors import Unusable
from crdt.held import Reason
from crdt.preflight import ChangeHeader, read_change

# Changes of one document that are tried and refused. Each costs some 15 loads of a part of it, and
# only who may write there can sign them; a delegate can as well fill the document.
REFUSED_MAX = 16

EXCLUDED = "excluded-dependency"
TOO_MANY = "too-many-refused"
UNTRIED = frozenset({EXCLUDED, TOO_MANY})  # they follow from others that have a fault of their own
assert Reason.EXCLUDED_DEPENDENCY.value == EXCLUDED


def load_usable(
    skeleton: Skeleton, raws: Sequence[bytes], actor: bytes
) -> tuple[Document, dict[bytes, Unusable]]:
    """As `load_valid`, but leaves out what the library refuses: (document, {hash: refusal}).

    The answer depends on `raws` and their order alone, so give them in the order of
    `authority.valid_changes`.
    """
    try:
        return load_valid(skeleton, raws, actor), {}
    except Unusable:
        document = load_valid(skeleton, (), actor)
    refused: dict[bytes, Unusable] = {}
    tried = 0
    todo = [[(read_change(raw), raw) for raw in raws]]
    while todo:
        run = _without_orphans(todo.pop(), refused)
        if not run:
            continue
        if tried == REFUSED_MAX:
            error = Unusable(TOO_MANY, f"after {REFUSED_MAX} others that were refused")
            refused |= {header.hash: error for header, _ in run}
            continue
        try:
            document.receive([raw for _, raw in run])
        except Unusable as error:
            if len(run) == 1:
                refused[run[0][0].hash] = error
                tried += 1
            else:
                half = len(run) // 2
                todo += [run[half:], run[:half]]
    return document, refused


def _without_orphans(
    run: Sequence[tuple[ChangeHeader, bytes]], refused: dict[bytes, Unusable]
) -> list[tuple[ChangeHeader, bytes]]:
    """The changes of `run` that build on nothing refused; the others are refused with it."""
    kept: list[tuple[ChangeHeader, bytes]] = []
    for header, raw in run:
        if refused.keys().isdisjoint(header.dependencies):
            kept.append((header, raw))
        else:
            refused[header.hash] = Unusable(EXCLUDED, "builds on what was refused")
    return kept
