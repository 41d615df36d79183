"""A progress bar on stderr, where that is a terminal; elsewhere nothing at all."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from node.commands.console import shows_progress
from node.failure import Json
from node.text import printable, short_name, size_text

if TYPE_CHECKING:
    import rich.progress


class Progress:
    """One bar a module or file, from lines `{"stage","id","done","total"}` in bytes."""

    def __init__(self) -> None:
        self._bars: rich.progress.Progress | None = None
        self._tasks: dict[str, rich.progress.TaskID] = {}

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

    def bytes_of(self, name: str) -> Callable[[int, int], None]:
        """What shows the progress of one file, in bytes done and bytes in all."""
        return lambda done, total: self.show({"id": name, "done": min(done, total), "total": total})

    def show(self, line: Json) -> None:
        if self._bars is None or line.get("total") is None or line.get("stage") == "resolve":
            return  # no bytes are counted there
        from rich.markup import escape

        name = str(line.get("id", ""))
        if name not in self._tasks:
            called = escape(printable(short_name(name)))
            self._tasks[name] = self._bars.add_task(called, total=line["total"], rate="")
        number = self._tasks[name]
        self._bars.update(number, completed=line["done"], total=line["total"])
        if why := line.get("waits"):
            self._bars.update(number, rate=f"{escape(printable(why))}: waiting")
        elif speed := self._bars.tasks[number].speed:
            self._bars.update(number, rate=f"{size_text(round(speed))}/s")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
