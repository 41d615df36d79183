"""What comes one after another, taken together once it has come to an end."""

import asyncio


class Burst:
    """Of some loop: whoever makes something of what changed waits here until nothing more does."""

    def __init__(self, quiet_s: float, most_s: float) -> None:
        """Over when nothing came for `quiet_s`, or when `most_s` have gone by."""
        self._quiet_s = quiet_s
        self._most_s = most_s
        self._came = asyncio.Event()
        self._last_s = 0.0

    def note(self) -> None:
        """Something came."""
        self._last_s = asyncio.get_running_loop().time()
        self._came.set()

    async def over(self) -> None:
        """Until something came since the last time, and then until that is over."""
        await self._came.wait()
        now_s = asyncio.get_running_loop().time
        end_s = now_s() + self._most_s
        while (due_s := min(self._last_s + self._quiet_s, end_s)) > now_s():  # noqa: ASYNC110 - an event would wake it with each of thousands
            await asyncio.sleep(due_s - now_s())
        self._came.clear()
