"""How far long work is: a bar on stderr where that is a terminal, lines on stdout with `--json`."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from node.commands.console import print_event, shows_progress, wants_json
from node.failure import Json
from node.text import printable, short_name, size_text

if TYPE_CHECKING:
    import rich.progress


EVERY_S: Final = 1.0
"""Between two lines of `--json`, and before the first: what is done sooner has its result alone."""


class Progress:
    """One bar a module or file, from lines `{"stage","id","done","total"}` in bytes.

    `called`, in a line: what people read in place of the id. `tells`: with `--json` the lines are
    printed too, as `{"event": "progress", …}`; not where a command prints lines of its own.
    """

    def __init__(
        self, *, tells: bool = True, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._bars: rich.progress.Progress | None = None
        self._tasks: dict[str, rich.progress.TaskID] = {}
        self._tells = tells and wants_json()
        self._clock_s = clock_s
        self._told_s = clock_s()

    def __enter__(self) -> Self:
        if shows_progress():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(binary_units=True),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
            )
            self._bars.start()
        return self

    def bytes_of(self, name: str, stage: str = "") -> Callable[[int, int], None]:
        """What shows the progress of one file, in bytes done and bytes in all."""
        of = {"stage": stage, "id": name} if stage else {"id": name}
        return lambda done, total: self.show({**of, "done": min(done, total), "total": total})

    def show(self, line: Json) -> None:
        if line.get("total") is None or line.get("stage") == "resolve":
            return  # no bytes are counted there
        if self._tells:
            self._tell(line)
        if self._bars is None:
            return
        from rich.markup import escape

        name = str(line.get("called") or line.get("id", ""))
        if name not in self._tasks:
            called = escape(printable(short_name(name)))
            self._tasks[name] = self._bars.add_task(called, total=line["total"], rate="")
        number = self._tasks[name]
        self._bars.update(number, completed=line["done"], total=line["total"])
        if why := line.get("waits"):
            self._bars.update(number, rate=f"{escape(printable(why))}: waiting")
        elif speed := self._bars.tasks[number].speed:
            self._bars.update(number, rate=f"{size_text(round(speed))}/s")

    def _tell(self, line: Json) -> None:
        now_s = self._clock_s()
        if now_s - self._told_s >= EVERY_S:
            self._told_s = now_s
            kept = {key: value for key, value in line.items() if key not in ("event", "called")}
            print_event("progress", kept)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
