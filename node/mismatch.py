"""A command and a node of different versions: an update does not change what runs already."""

from __future__ import annotations

from node.failure import Json

# By code: what a detail says where a command asks for what the node never heard of, or no longer.
STRANGE = {
    "invalid-body": " field `",
    "unknown-parameter": "unknown:",
    "not-found": "Not Found",
    "method-not-allowed": "Method Not Allowed",
}


def is_strange(problem: Json) -> bool:
    """Whether the node did not understand, rather than refuse: commands make no such slips."""
    said = STRANGE.get(str(problem.get("code")))
    return said is not None and said in str(problem.get("detail", ""))


def words(node_version: str, home_flag: str, code: str) -> str:
    """What to do about it; `node_version` is empty where the node does not tell.

    `code` is that of the problem.
    """
    from node._version import __version__

    said = "The node does not know what this command asks of it: it runs since before an update"
    if node_version not in ("", __version__):
        said = f"The node is of version {node_version}, this command of version {__version__}"
    elif code == "not-found":
        older = f"{said[0].lower()}{said[1:]}"
        said = f"A name in this command is none (WHOSE/NAME has one slash), or {older}"
    return f"{said}. Start it again: panspermia {home_flag}down, then panspermia {home_flag}up"
