"""`verify` and `fetch`: what was published, checked, and its bytes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, cast

import click

from node.client import Client, broken, module_path
from node.commands.console import (
    IN_NAMESPACE,
    is_terminal,
    node,
    print_json,
    print_result,
    say,
    wants_json,
)
from node.commands.files import keep_what_is_there, whole_file
from node.commands.going_on import goes_on
from node.commands.life import find_life, is_life, life_path
from node.commands.progress import Progress
from node.commands.publish import PUBLISH_TIMEOUT_S, in_folder, read_modules
from node.commands.stdout import Stdout
from node.exit_codes import NOT_FOUND, UNVERIFIED
from node.failure import Failure, Json, failed, failure
from node.text import printable, size_text

# Of silence: a blob comes from a peer when it is not here yet.
FETCH_TIMEOUT_S = 300.0

AGAIN = "What came is kept: the same command again goes on where this one stopped."

# From so many digits on somebody meant a blob: no module is called so.
HEX_MEANT = 16

INVALID = frozenset({"invalid-manifest", "invalid-wasm", "unsafe-file", "file-missing"})


@click.command("verify")
@click.argument("wanted", metavar="[NAME[@VERSION]|PATH]", required=False)
@click.option("--installed", is_flag=True, help="All that is installed; so without an argument.")
@IN_NAMESPACE
def verify_command(wanted: str | None, installed: bool, namespace: str | None) -> None:
    """Check hashes and signatures of a published module, genome or seed, or of a directory."""
    if wanted is None:
        return verify_all()
    if installed:
        raise click.UsageError("name a module, or say --installed")
    if Path(wanted).is_file():
        hint = f"panspermia publish --dry-run {wanted} says what of it is published"
        raise click.UsageError(f"{wanted} is a file; {hint}")
    if is_path(wanted):
        report = verify_path(Path(wanted))
    elif is_life(wanted):
        report = verify_life(wanted, namespace)
    else:
        report = verify_published(wanted, namespace)
    if not report["ok"]:
        raise failure(
            "verification-failed",
            f"{report['module']} does not verify",
            "\n".join(wrong_lines(report)),
            UNVERIFIED,
            **report,
        )
    if wants_json():
        return print_json("verify", report)
    for check in report["checks"]:
        say(f"ok  {printable(check['name'])}", fg="green", nl=False)
        say(f"  {printable(check['detail'])}".rstrip())


def verify_all() -> None:
    """Everything that is installed. Raises `Failure` where something is not what was signed."""
    report = node().get("/api/installed/verify")
    if not report["ok"]:
        lines = [
            f"{one['module']} {one['version']}: {line}"
            for one in report["modules"]
            for line in wrong_lines(one)
        ]
        title = "Something that is installed does not verify"
        raise failure("verification-failed", title, "\n".join(lines), UNVERIFIED, **report)
    if wants_json():
        return print_json("verify", report)
    for one in report["modules"]:
        say("ok", fg="green", nl=False)
        say(f"  {printable(one['module'])} {printable(one['version'])}")
    if not report["modules"]:
        say("Nothing is installed.")


def wrong_lines(report: Json) -> list[str]:
    return [f"{one['name']}: {one['detail']}" for one in report["checks"] if not one["ok"]]


def is_path(wanted: str) -> bool:
    """A name has neither a leading dot nor a folder that exists."""
    return wanted.startswith((".", os.sep)) or Path(wanted).is_dir()


def verify_published(wanted: str, namespace: str | None) -> Json:
    name, _, version = wanted.partition("@")
    client = node()
    if not version:
        version = client.get(module_path(name, namespace=namespace))["latest_version"]
    path = module_path(name, "versions", version, "verify", namespace=namespace)
    return client.get(path)


def verify_life(id: str, namespace: str | None) -> Json:
    """That the bytes of a genome or a seed, from wherever they come, are those it is named by."""
    from blake3 import blake3

    kind, one = find_life(id, namespace=namespace)
    full = f"{one['author_did']}/{one['id']}"
    data = node().get_bytes(life_path(kind, full, "download", namespace=namespace))
    digest = blake3(data).hexdigest()
    checks: list[Json] = [
        {"name": "blake3", "ok": digest == one["id"], "detail": digest},
        {
            "name": "size", "ok": len(data) == one["size"],
            "detail": f"{len(data):,} bytes, {one['size']:,} stated",
        },
    ]  # fmt: skip
    return {
        "module": full,
        "kind": kind,
        "ok": all(each["ok"] for each in checks),
        "checks": checks,
    }


def verify_path(folder: Path) -> Json:
    """All that publishing would check. What no node would take does not verify."""
    try:
        return verify_folder(folder)
    except Failure as refused:
        is_invalid = refused.problem.get("code") in INVALID
        raise Failure(refused.problem, UNVERIFIED if is_invalid else refused.exit) from refused


def verify_folder(folder: Path) -> Json:
    checks: list[Json] = []
    for module in read_modules(folder):
        body = module.body(changelog="", dry_run=True)
        try:
            answer = node().post("/api/modules", body, timeout_s=PUBLISH_TIMEOUT_S)
        except Failure as refused:
            raise in_folder(refused, module.folder) from refused
        detail = f"{size_text(answer['size'])}, sha256 {answer['sha256']}"
        name = f"{answer['module'].rpartition('/')[2]} {answer['version']}"
        checks.append({"name": name, "ok": True, "detail": detail})
    return {"module": str(folder), "ok": True, "checks": checks}


@click.command("fetch")
@click.argument("id", metavar="BLOB|GENOME|SEED|NAME[@VERSION]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@click.option(
    "--relative-to",
    metavar="BLOB",
    multiple=True,
    help="A blob that is here and much like it: only what differs comes.",
)
@IN_NAMESPACE
def fetch_command(
    id: str, output: Path | None, force: bool, relative_to: tuple[str, ...], namespace: str | None
) -> None:
    """Fetch the bytes of a genome, a seed, a module version or a blob.

    A blob of any size: what is not here comes from peers, each part checked. Broken off, it goes on
    where it stopped when it is asked for again. Of a blob that was added with `--chunks content`,
    as the next state of a world is, only what differs from one that is here can be fetched.
    """
    if output is None and (wants_json() or is_terminal(sys.stdout)):
        raise click.UsageError("bytes do not belong on a terminal; give -o FILE")
    check_is_name(id)
    if output is not None:
        keep_what_is_there(output, force=force)
    if (path_of_life := life_download(id, namespace)) is not None:
        path = path_of_life
    elif is_blob(id):
        id = id.lower()
        with Progress() as bars:
            hold(node(), id, bars.show, relative_to)
        path = f"/api/blobs/{id}"
    else:
        path = wasm_path(named(id), namespace)
    if output is None:
        with goes_on(AGAIN):
            stdout = Stdout()
            node().download(path, cast("IO[bytes]", stdout), unwatched, FETCH_TIMEOUT_S)
            stdout.flush()
        return
    with whole_file(output, force=force) as file, goes_on(AGAIN), Progress() as bars:
        size = node().download(path, file, bars.bytes_of(output.name), FETCH_TIMEOUT_S)
    if wants_json():
        return print_result("fetch", {"id": id, "file": str(output), "size": size})
    say(f"wrote {size_text(size)} to {printable(str(output))}")


def check_is_name(text: str) -> None:
    """Raises `Failure` for what no thing is called: a path of this machine, say."""
    if text.count("/") > 1 or ".." in text.split("/"):
        detail = f"{printable(text)!r} is no id (64 hex digits) and no module (NAME or WHOSE/NAME)"
        raise failed("invalid-name", "Invalid name", detail)


def hold(
    by: Client,
    blob: str,
    told: Callable[[Json], None],
    relative_to: Sequence[str],
    patience_s: int | None = None,
    **of: str | None,
) -> Json:
    """Has that node fetch all of a blob from its peers, however large.

    `told`: of how far it is, a line at a time, as `Progress.show` takes them. `patience_s`: as in
    `POST /api/blobs/{blob}/fetch`, and so is `of`: `universe`, `namespace`.
    """
    with goes_on(AGAIN):
        body: dict[str, Any] = {"relative_to": [one.lower() for one in relative_to]}
        said = {"patience_s": patience_s, **of}
        body |= {name: value for name, value in said.items() if value is not None}
        lines = by.post_lines(f"/api/blobs/{blob}/fetch", body, timeout_s=FETCH_TIMEOUT_S)
        for line in lines:
            if line.get("event") == "result":
                return line
            told(line)
        raise broken("It ended without a result.")


def life_download(id: str, namespace: str | None) -> str | None:
    """Where the bytes of the genome or seed of this id come from; None where it is another thing's.

    An id is 64 hex digits, as a blob's is.
    """
    if not is_life(id):
        return None
    try:
        kind, _ = find_life(id, namespace=namespace)
    except Failure as refused:
        # From so many digits on it may be a blob's, too, if it is whole.
        if refused.exit != NOT_FOUND or "/" in id or len(id) < HEX_MEANT:
            raise
        return None
    return life_path(kind, id, "download", namespace=namespace)


def unwatched(done: int, total: int) -> None:
    """Nobody sees a bar."""


def is_blob(id: str) -> bool:
    """64 hex digits."""
    return len(id) == 64 and all(digit in "0123456789abcdef" for digit in id.lower())


def named(id: str) -> str:
    """What is no blob. Raises `click.UsageError` where it was meant to be one."""
    if len(id) >= HEX_MEANT and all(digit in "0123456789abcdefABCDEF" for digit in id):
        raise click.UsageError(f"a blob's id has 64 hex digits, and this has {len(id)}")
    return id


def wasm_path(wanted: str, namespace: str | None) -> str:
    name, _, version = wanted.partition("@")
    version = version or node().get(module_path(name, namespace=namespace))["latest_version"]
    return module_path(name, "versions", version, "wasm", namespace=namespace)
