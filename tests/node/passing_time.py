"""Time that passes when somebody waits for it."""

import asyncio


class PassingTime:
    """`wait` is what `node.gates.Gates.run` takes; `waits` are those that nothing cut short."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits: list[float] = []

    def clock_s(self) -> float:
        return self.now_s

    async def wait(self, wake: asyncio.Event, wait_s: float | None) -> None:
        await asyncio.sleep(0)
        if wait_s is None:
            await wake.wait()
        elif not wake.is_set():
            self.waits.append(wait_s)
            self.now_s += wait_s
