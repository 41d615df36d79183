"""Text for people: safe to show on a terminal, in units they know."""

from collections.abc import Mapping
from shlex import quote
from typing import Any


def printable(text: str) -> str:
    """The text with controls, escapes and direction marks spelled out, on one line."""
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def undo_command(record: str, namespace: str | None) -> str:
    """By which whoever may write there shows a deleted record again; None: in commons."""
    where = "" if namespace is None else f" --namespace {quote(namespace)}"
    return f"panspermia delete {quote(record)} --undo{where}"


def size_text(size_bytes: int) -> str:
    """1,536 becomes `1.5 KiB`."""
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def duration_text(seconds: float) -> str:
    """93,784 becomes `1 d 2 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def short_name(module: str) -> str:
    """`did:key:z6Mk…/io.x` as people read it: the author shortened, the id whole."""
    did, slash, record = module.rpartition("/")
    return f"{short_did(did)}{slash}{record}" if did else record


def short_did(did: str) -> str:
    """The beginning and the end of a long did:key."""
    key = did.removeprefix("did:key:")
    return key if len(key) <= 16 else f"{key[:6]}…{key[-6:]}"


def full_name(module: Mapping[str, Any]) -> str:
    """`did/id` of a module's record, whose own id is the bare one."""
    return f"{module['author_did']}/{module['id']}"
