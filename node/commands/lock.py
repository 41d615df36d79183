"""`panspermia.lock` between the disk (TOML, `registry.lockfile`) and the API (JSON)."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import click

from node.commands.files import write_atomically
from node.exit_codes import NOT_ALLOWED, NOT_FOUND
from node.failure import Failure, Json, failed, failure


def read_lock(path: Path) -> Json | None:
    """The lock as the API takes it; None where there is no file. Raises `Failure`."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None  # and nothing is loaded that reads one
    import msgspec

    from registry.errors import InvalidLock
    from registry.lockfile import LOCK_BYTES_MAX, parse_lock

    try:
        with file:
            content = file.read(LOCK_BYTES_MAX + 1)
        parsed = parse_lock(content.decode())
    except InvalidLock as error:
        line = f":{error.line}" if error.line else ""
        raise unreadable(f"{path}{line}", error.detail) from error
    except UnicodeDecodeError as error:
        raise unreadable(str(path), f"no UTF-8 at byte {error.start}") from error
    lock: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(parsed))
    return lock


def print_sbom(path: Path) -> None:
    """CycloneDX as it is, with no schema of ours around it. Needs no node. Raises `Failure`."""
    import json

    import msgspec

    from registry.lockfile import Lock, check_lock
    from registry.sbom import sbom_of

    lock = read_lock(path)
    if lock is None:
        detail = f"{path} is not there; `panspermia install` writes it."
        raise failure("no-lock", "There is no lock file", detail, NOT_FOUND)
    click.echo(json.dumps(sbom_of(check_lock(msgspec.convert(lock, Lock))), indent=2))


def unreadable(where: str, why: str) -> Failure:
    detail = f"{where}: {why}. Put it right, or delete it and install anew."
    return failed("invalid-lock", "The lock file cannot be read", detail)


def load_writer() -> None:
    """What `write_lock` needs, while there is time: it takes as long to load as all before it."""
    for name in ("msgspec", "registry.lockfile", "tempfile"):
        import_module(name)


def write_lock(path: Path, lock: Json) -> None:
    """Replace the file in one step; the same lock gives the same bytes. Raises `Failure`."""
    import msgspec

    from registry.lockfile import Lock, check_lock
    from registry.lockfile import write_lock as text_of

    text = text_of(check_lock(msgspec.convert(lock, Lock)))
    try:
        write_atomically(path, text.encode())
    except PermissionError as error:
        detail = f"{path} cannot be written; name another: --lock FILE"
        raise failure("forbidden", "No lock file was written", detail, NOT_ALLOWED) from error


def requirements_of(lock: Json | None) -> dict[str, str]:
    """What was asked for: `{"did/id": "range"}`."""
    return dict(lock["requirements"]) if lock else {}


def means(name: str, module: str) -> bool:
    """Whether `name`, bare or qualified, can mean the module `did/id`."""
    return name == module or ("/" not in name and name == module.rpartition("/")[2])
