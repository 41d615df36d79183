"""A sealed key, and a person at a terminal: the passphrase is asked for where it is needed.

In a real pseudo-terminal; what is typed after a prompt is not shown.
"""

import codecs
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from node.commands.nodes import COMMAND, LocalNode, clean_environment
from node.exit_codes import NOT_ALLOWED
from tests.e2e.story import COMMAND_S, Shell, StartNode
from tests.storage.people import BOB

pytestmark = pytest.mark.nodes

PASSPHRASE = "correct horse battery"


def typed(at: LocalNode, *args: str, answers: tuple[tuple[str, str], ...] = ()) -> tuple[int, str]:
    """Runs a command, types each answer once its prompt is there; (exit code, all that was shown).

    Raises `AssertionError` where a prompt does not come.
    """
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [*COMMAND, "--home", str(at.home), *args],
        env=clean_environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,  # so that it has no other terminal to ask on
    )
    os.close(theirs)
    try:
        shown, asked, decoder = "", list(answers), codecs.getincrementaldecoder("utf-8")()
        ends_s = time.monotonic() + COMMAND_S
        while True:
            if asked and shown.rstrip().endswith(asked[0][0]):
                os.write(ours, f"{asked.pop(0)[1]}\n".encode())
                shown += "\n"
            ready, _, _ = select.select([ours], [], [], max(0, ends_s - time.monotonic()))
            assert ready, f"nothing comes any more after {shown!r}"
            try:
                said = os.read(ours, 4_096)
            except OSError:  # how Linux says that the other end is closed
                break
            if not said:
                break
            shown += decoder.decode(said)  # a piece may end amid a character
        assert not asked, f"no {asked[0][0]!r} in {shown!r}"
        return done.wait(COMMAND_S), shown
    finally:
        done.kill()
        done.wait()
        os.close(ours)


PROMPT = (("Passphrase:", PASSPHRASE),)


def test_a_passphrase_is_asked_for_on_the_terminal_where_it_is_needed(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    alice.stop()
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    assert shell(alice, "id", "seal", "--passphrase-file", str(secret)).code == 0
    alice = node("alice")

    # Where nobody can be asked the node's refusal stands, and nothing has happened.
    refused = shell(alice, "namespace", "create", "guild")
    assert (refused.code, refused.answer["code"]) == (NOT_ALLOWED, "sealed")
    assert "--passphrase-file" in refused.answer["detail"]
    assert len(shell(alice, "namespace", "list").answer["namespaces"]) == 1

    code, shown = typed(alice, "namespace", "create", "guild", answers=PROMPT)
    assert (code, "made guild" in shown, PASSPHRASE in shown) == (0, True, False)
    grant = ("cap", "grant", BOB.did, "--write", "--namespace", "guild")
    code, shown = typed(alice, *grant, answers=PROMPT)
    assert (code, "panspermia accept psp1-" in shown) == (0, True)
    assert typed(alice, "cap", "heartbeat", "--namespace", "guild", answers=PROMPT)[0] == 0
    code, shown = typed(alice, *grant, answers=(("Passphrase:", "a wrong one"),))
    assert code != 0
    assert "does not open" in shown

    # To look needs no key: what a revocation would do is shown first, and a file works as ever.
    revoke = ("cap", "revoke", BOB.did, "--namespace", "guild")
    assert typed(alice, *revoke, "--dry-run")[0] == 0
    code, shown = typed(alice, *revoke, answers=(("Say so? [y/N]:", "y"), *PROMPT))
    assert (code, "said: " in shown) == (0, True)
    (said,) = shell(alice, "cap", "list").answer["revocations"]
    back = ("cap", "unrevoke", str(said["id"])[:16], "--yes")
    assert typed(alice, *back, "--passphrase-file", str(secret))[0] == 0
