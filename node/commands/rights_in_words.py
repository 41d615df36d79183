"""How rights, statements and verdicts are printed; all of it may hold what peers wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from node.commands.console import say, wants_json
from node.exit_codes import NOT_FOUND
from node.failure import Json, failure
from node.text import printable, short_did

FILE_BYTES_MAX = 1 << 20
STATES = {
    "valid": "valid",
    "revoked": "revoked",
    "cut": "revoked in a part",
    "expired": "expired",
    "early": "not in force yet",
}


def print_rights(head: str, rights: Sequence[Json]) -> None:
    if not rights:
        return
    say(head, bold=True)
    for right in rights:
        mark = "ok    " if right["state"] == "valid" else "ended "
        say(mark, fg="green" if right["state"] == "valid" else "yellow", nl=False)
        say(f"{right['digest'][:12]}  {printable(right['words'])}")
        if right["state"] != "valid":
            say(f"      {printable(state_words(right))}", fg="yellow")


def state_words(right: Json) -> str:
    """`revoked by alice on …: lost`."""
    words = STATES[right["state"]]
    by = [revocation_words(one) for one in right["revocations"]]
    return f"{words} {'; '.join(by)}".rstrip()


def revocation_words(one: Json) -> str:
    reason = f": {one['reason']}" if one["reason"] else ""
    return f"by {one['who']} on {one['at'][:10]}{reason} [{one['id'][:12]}]"


def print_statements(revocations: Sequence[Json]) -> None:
    if not revocations:
        return
    say("Revocations", bold=True)
    for one in revocations:
        state = "in force" if one["in_force"] else "taken back" if one["stands"] else "fell"
        whom = short_did(one["key"]) if one["whom"] == one["key"] else str(one["whom"])
        say(f"{state:10}  {printable(whom)}, {printable(one['area'])},", nl=False)
        say(f" {printable(revocation_words(one))}")


def print_effect(effect: Json) -> None:
    """Exactly what goes or comes back: by record, and whose it is."""
    would = "would " if effect["dry_run"] else ""
    if not effect["gone"] and not effect["back"]:
        say(f"Nothing that is here {would}change{'s' if not would else ''}.")
    for rows, verb, colour in (
        (effect["sums"], f"{would}count no more".capitalize(), "yellow"),
        (effect["back_sums"], f"{would}count again".capitalize(), "green"),
    ):
        if rows:
            say(f"{verb}: {changes(sum(one['entries'] for one in rows))}", fg=colour)
        for one in rows:
            say(f"  {printable(record_short(one['record']))}", nl=False)
            say(
                f"  {one['entries']:,} by {printable(one['who'])} ({short_did(one['device'])})",
                nl=False,
            )
            say("  honest work of others, that builds on it" if one["is_others"] else "")
    if any(one["is_others"] for one in effect["sums"]):
        say("Whose honest work falls can make it again: panspermia cap reapply NAME", dim=True)
    if effect["note"]:
        say(effect["note"], fg="yellow")
    if effect["statement"]:
        say(f"said: {effect['statement']}")


def changes(count: int) -> str:
    return "1 change" if count == 1 else f"{count:,} changes"


def record_short(record: str) -> str:
    did, slash, rest = record.partition("/")
    return f"{short_did(did)}{slash}{rest}"


def print_explanation(found: Json) -> None:
    say(printable(record_short(found["record"])), bold=True)
    for alarm, fork in zip(found["alarms"], found["forks"], strict=True):
        say(printable(alarm), fg="red")
        for twin in fork["entries"]:
            say(f"  {twin['entry'][:16]}  {state_of(twin)}")
    if found["entry"]:
        print_verdict(found["entry"])
    say("Who could write here:")
    for writer in found["writers"]:
        right = writer["right"]
        say(f"  {printable(right['words'])}")
        fell = ", ".join(f"{count:,} {code}" for code, count in writer["left_out"].items())
        what = f"counting: {changes(writer['counted'])}" + (f", left out: {fell}" if fell else "")
        colour = None if right["state"] == "valid" else "yellow"
        say(f"    {printable(state_words(right))}; {printable(what)}", fg=colour)
    if found["writers_more"]:
        say(f"  and {found['writers_more']:,} rights more")
    if found["left_out_count"]:
        say(f"Not counting: {changes(found['left_out_count'])}")
    if found["incomplete"]:
        missing = f"Of what revocations leave, {changes(found['incomplete'])} not here yet"
        say(f"{missing}: until then too much is cut. panspermia sync", fg="yellow")
    for verdict in found["left_out"]:
        print_verdict(verdict)


def state_of(one: Json) -> str:
    return "counts" if one["counts"] else f"does not count [{one['code']}]"


def print_verdict(one: Json) -> None:
    who, at = printable(one["who"]), one["signed_at"][:19]
    say(f"  {one['entry'][:16]}  {who}, {at}: {state_of(one)}")
    say(f"    {printable(one['right'])}", dim=True)
    if not one["counts"]:
        say(f"    {printable(one['why'])}")
        for revocation in one["revocations"]:
            say(f"    revoked {printable(revocation_words(revocation))}")
        say(f"    {printable(one['may_return'])}", dim=True)


# ── without a node ───────────────────────────────────────────────────────────────────────────────


def print_links(what: str) -> list[Json]:
    """Each capability of a code, of hex or of a file with either, link by link."""
    shown = [links_of(encoded) for encoded in capabilities_in(what)]
    for one in () if wants_json() else shown:
        say(printable(one["words"]), bold=True)
        for link in one["links"]:
            say(
                "  ok    " if link["ok"] else "  WRONG ",
                fg="green" if link["ok"] else "red",
                nl=False,
            )
            say(printable(link["words"]))
        if one["error"]:
            say(f"  {printable(one['error'])}", fg="red")
    return shown


def capabilities_in(what: str) -> Iterable[bytes]:
    """Raises `Failure` where there is none."""
    from node.errors import NodeError
    from node.invites import read_code

    text = text_in(what)
    try:
        if text.startswith("psp"):  # of whichever version
            return read_code(text).capabilities
        return [bytes.fromhex(text)]
    except NodeError as error:
        raise failure(
            error.reason, "That is no code that holds", error.detail, NOT_FOUND
        ) from error
    except ValueError as error:
        detail = "Give a code (psp1-…), a capability in hex, a file with either, or a proof."
        raise failure("not-a-code", "That is no capability", detail, NOT_FOUND) from error


def text_in(what: str) -> str:
    """The argument itself, or what the file of that name holds."""
    try:
        path = Path(what)
        if path.is_file():
            with path.open("rb") as file:
                return file.read(FILE_BYTES_MAX).decode("utf-8", "replace").strip()
    except OSError:  # a long code is no name of a file
        pass
    return "".join(what.split())


def links_of(encoded: bytes) -> Json:
    """The chain in words; what the first link that fails is wrong with."""
    from crdt.capability import check_valid, decode_capability, encode_capability
    from crdt.did import encode_did_key
    from crdt.errors import CrdtError
    from node.words import area_words, capability_words, key_words

    try:
        whole = decode_capability(encoded)
    except CrdtError as error:
        raise failure(error.code, "That is no capability", error.detail, NOT_FOUND) from error
    links: list[dict[str, Any]] = []
    wrong = ""
    for part in whole.prefixes():
        if not wrong:
            try:
                check_valid(part)
            except CrdtError as error:
                wrong = f"{error.detail} [{error.code}]"
        giver = part.chain[-2] if len(part.chain) > 1 else part.receiver
        given = area_words(part.granted_area, {})
        words = f"{key_words(giver, {})} gives {encode_did_key(part.receiver)}: {given}"
        if len(part.chain) == 1:
            words = f"{encode_did_key(part.receiver)} has by right: {given}"
        links.append({"giver": encode_did_key(giver), "receiver": encode_did_key(part.receiver)})
        links[-1] |= {"words": words, "ok": not wrong}
    return {
        "capability": encode_capability(whole).hex(),
        "words": f"{encode_did_key(whole.receiver)} {capability_words(whole, {})}",
        "valid": not wrong,
        "error": wrong,
        "links": links,
    }
