"""The QR on the terminal is the link's, module by module, with light around it."""

from pathlib import Path

import click
import pytest

from node.commands.invite import HALVES, invite_command, qr_file, qr_text, seconds_in, write_qr
from node.qr import QUIET, qr_of
from p2p.protocol.invites.link import Link, write_link

LINK = write_link(Link(bytes(8), b"d" * 32, ("192.168.1.77:4747",)))  # type: ignore[arg-type]  # any key


def test_a_link_takes_little_room_in_a_qr() -> None:
    code = qr_of(LINK)
    assert code.mode == "alphanumeric", "5.5 bits a character"
    assert code.version <= 8


def test_half_blocks_are_the_modules() -> None:
    halves = {block: pair for pair, block in HALVES.items()}
    lines = [line.removeprefix("\x1b[30;107m") for line in qr_text(LINK).split("\n")]
    rows: list[list[bool]] = []
    for line in lines:
        pairs = [halves[block] for block in line.removesuffix("\x1b[0m")]
        rows += [[upper for upper, _ in pairs], [lower for _, lower in pairs]]
    wanted = [[bool(cell) for cell in row] for row in qr_of(LINK).matrix_iter(border=QUIET)]
    assert rows[: len(wanted)] == wanted
    assert not any(any(row) for row in rows[len(wanted) :])


@pytest.mark.parametrize("name", ["invite.svg", "invite.png"])
def test_a_picture_is_for_its_owner_and_never_over_another(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    write_qr(LINK, file)
    assert file.stat().st_mode & 0o077 == 0
    before = file.read_bytes()
    with pytest.raises(click.ClickException):
        write_qr(LINK, file)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (["--write"], "--namespace NAME"),
        (["--admin"], "--admin gives no right in commons"),
        (["--write", "--for", "did:key:z6Mk"], "--namespace NAME"),
        (["--cap", ""], "--cap names no area"),
        (["--write", "--namespace", "guild", "--cap", "*/pub", "--cap", " "], "names no area"),
    ],
)
def test_what_would_give_nothing_or_all_by_a_slip_is_refused(asked: list[str], why: str) -> None:
    with pytest.raises(click.UsageError, match=why):
        invite_command.main(asked, standalone_mode=False)


def test_times_and_files_as_people_write_them() -> None:
    assert [seconds_in(text) for text in ("90s", "15m", "2h", "1d")] == [90, 900, 7_200, 86_400]
    for wrong in ("", "m", "15", "1.5h", "15 m", "9999999s", "-1m", "5s", "8d"):
        with pytest.raises(click.UsageError):
            seconds_in(wrong)
    with pytest.raises(click.UsageError):
        qr_file("invite.txt")
