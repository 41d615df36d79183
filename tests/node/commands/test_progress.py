"""Bars of long work: how much, how fast, how long still; nothing where nobody looks."""

import io
import sys

import click
import pytest

from node.commands.progress import Progress
from node.commands.verify import named


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_says_how_much_of_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "100")
    with Progress() as bars:
        bars.show({"id": "did:key:z6Mk/io.x\x1b[2J", "done": 1 << 20, "total": 4 << 20})
        bars.bytes_of("world.bin")(3 << 20, 2 << 20)
    said = screen.getvalue()
    assert "1.0/4.0 MiB" in said
    assert "2.0/2.0 MiB" in said
    assert "io.x\\u{1b}[2J" in said


def test_without_a_terminal_it_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as bars:
        bars.show({"id": "io.x", "done": 1, "total": 4})
    assert capsys.readouterr() == ("", "")


def test_with_json_it_tells_a_line_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    times_s = iter((0.0, 0.5, 1.0, 1.9, 2.5))
    with click.Context(click.Command("x"), obj={"json": True}):
        with Progress(clock_s=lambda: next(times_s)) as bars:
            for done in range(4):
                told = {"event": "progress", "stage": "fetch", "id": "bob/w", "done": done}
                bars.show({**told, "total": None})  # nothing is counted there
                bars.show({**told, "total": 4, "called": "w at tick 7"})
        with Progress(tells=False) as bars:
            bars.show({"id": "w", "done": 1, "total": 4})
    out, err = capsys.readouterr()
    line = '{"event": "progress", "stage": "fetch", "id": "bob/w", "done": %d, "total": 4}'
    assert (out.splitlines(), err) == ([line % 1, line % 3], "")


def test_people_read_what_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "100")
    with Progress() as bars:
        bars.show({"id": "ab" * 32, "called": "main at tick 7", "done": 0, "total": 1 << 20})
    assert "main at tick 7" in screen.getvalue()
    assert "abab" not in screen.getvalue()


def test_a_blobs_id_that_was_cut_off_is_no_modules_name() -> None:
    with pytest.raises(click.UsageError, match="64 hex digits, and this has 40"):
        named("ab" * 20)
    assert named("io.example.clock@1.0.0") == "io.example.clock@1.0.0"
