"""What the helper of games keeps on the disk, where no node is there at all."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.clients import panspermia_autosave
from node.clients.panspermia_autosave import Autosave, InUse

DEADLINE_S = 60.0
GAME = """
import sys
from panspermia_autosave import Autosave
saves = Autosave(sys.argv[1], "universe:main", home=sys.argv[2], waiting_max=1_000_000)
for tick in range(1_000_000):
    saves.save(b"x" * (1 << 16), tick=tick)
    print(tick, flush=True)
"""


class Opened:
    """`Autosave`s of one folder, closed in the end."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.open: list[Autosave] = []

    def __call__(self, *, waiting_max: int = 200, waiting_bytes_max: int = 1 << 30) -> Autosave:
        saves = Autosave(
            self.folder, "universe:main", home=self.home, waiting_max=waiting_max,
            waiting_bytes_max=waiting_bytes_max,
        )  # fmt: skip
        self.open.append(saves)
        return saves

    def ticks(self, ending: str = "save") -> list[int]:
        """Of the files that end so, in their order."""
        paths = sorted(self.folder.glob(f"*.{ending}"))
        saves = [panspermia_autosave.read_save(path) for path in paths]
        return [save.tick for save in saves if save is not None]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Its node's home is an empty folder: nobody ever answers."""
    opened = Opened(tmp_path / "saves", tmp_path / "home")
    yield opened
    for saves in opened.open:
        saves.close(DEADLINE_S)


def problem_of(saves: Autosave) -> str:
    """Once there is one."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not saves.status().problem and time.monotonic() < deadline_s:
        saves.flush(0.05)
    return saves.status().problem


def test_a_save_is_on_the_disk_though_no_node_is_there(opened: Opened) -> None:
    saves = opened()
    path = saves.save(b"state of 7", tick=7, kind="manual", day=1)
    assert path.read_bytes().endswith(b"\nstate of 7")
    assert not saves.flush(0.0)
    latest = saves.latest()
    assert latest is not None
    assert (latest.tick, latest.kind, latest.day, latest.state()) == (7, "manual", 1, b"state of 7")
    assert saves.status().waiting == 1
    assert f"no node runs in {opened.home}" in problem_of(saves)


def test_what_waited_goes_on_after_a_restart(opened: Opened) -> None:
    first = opened()
    first.save(b"one", tick=1)
    first.save(b"two", tick=2)
    first.close(DEADLINE_S)
    (opened.folder / "0000000000000003.tmp").write_bytes(b"half a sa")
    again = opened()
    assert again.status().waiting == 2
    again.save(b"three", tick=3)
    assert opened.ticks() == [1, 2, 3]
    assert not list(opened.folder.glob("*.tmp"))
    latest = again.latest()
    assert latest is not None
    assert latest.state() == b"three"


def test_of_too_many_the_oldest_automatic_ones_are_dropped(opened: Opened) -> None:
    saves = opened(waiting_max=4)
    saves.save(b"founded", tick=1, kind="canonical", event={"type": "founded", "title": "A town"})
    for tick in range(2, 10):
        saves.save(b"auto", tick=tick)
    status = saves.status()
    assert (status.waiting, status.dropped) == (4, 5)
    assert opened.ticks()[0] == 1, "a canonical one waits while an automatic one can go"
    assert opened.ticks()[-1] == 9


def test_of_too_much_the_newest_is_kept_whatever_its_size(opened: Opened) -> None:
    saves = opened(waiting_bytes_max=10_000)
    for tick in range(5):
        saves.save(b"x" * 4_000, tick=tick)
    assert saves.status().waiting_bytes <= 10_000 + 4_300, "one may be on its way"
    saves.save(b"x" * 50_000, tick=9)
    assert opened.ticks()[-1] == 9


@pytest.mark.parametrize(("kind", "tick"), [("often", 1), ("auto", -1)])
def test_what_no_universe_takes_is_said_at_once(opened: Opened, kind: str, tick: int) -> None:
    saves = opened()
    with pytest.raises(ValueError, match="a save is one of auto, manual, canonical"):
        saves.save(b"x", tick=tick, kind=kind)
    with pytest.raises(ValueError, match="one byte at least"):
        saves.save(b"", tick=1)
    assert opened.ticks() == []


def test_one_program_at_a_time_uses_a_folder(opened: Opened) -> None:
    first = opened()
    with pytest.raises(InUse, match="another program saves into"):
        opened()
    first.close(DEADLINE_S)
    opened().save(b"x", tick=1)
    with pytest.raises(ValueError, match="closed"):
        first.save(b"x", tick=2)


def test_a_damaged_file_is_put_aside_and_the_next_one_goes_on(
    opened: Opened, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    first = opened()
    path = first.save(b"one", tick=1)
    first.save(b"two", tick=2)
    first.close(DEADLINE_S)
    path.write_bytes(path.read_bytes()[:-1])
    again = opened()
    deadline_s = time.monotonic() + DEADLINE_S
    while not again.status().refused and time.monotonic() < deadline_s:
        again.flush(0.05)
    assert again.status().refused == 1
    assert path.with_suffix(".refused").exists()
    assert opened.ticks() == [2]


def test_the_token_of_a_home_is_for_this_computer(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "token").write_text("secret")
    saves = Autosave(
        tmp_path / "saves", "universe:main", home=home, url="http://node.example.org:3000"
    )
    saves.save(b"x", tick=1)
    assert "give the token for http://node.example.org:3000" in problem_of(saves)
    saves.close(DEADLINE_S)


def test_a_game_that_is_killed_has_every_save_that_it_was_told_of(opened: Opened) -> None:
    command = [sys.executable, "-c", GAME, str(opened.folder), str(opened.home)]
    helper = str(Path(panspermia_autosave.__file__).parent)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, env={"PYTHONPATH": helper}, text=True
    ) as game:
        assert game.stdout is not None
        told = [int(game.stdout.readline()) for _ in range(30)]
        game.kill()
    saves = opened()
    assert opened.ticks()[:30] == told
    assert saves.status().refused == 0
    assert not list(opened.folder.glob("*.tmp"))
