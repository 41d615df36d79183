"""Answers given to writes that carried an idempotency key, so that a repeat gets the same one."""

from dataclasses import dataclass

from storage.part import Part

KEPT_US = 24 * 3_600_000_000  # a day: longer than any client retries
ANSWERS_MAX = 10_000  # the oldest go first
BODY_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """`fingerprint` is a digest of the request: the same key with another one is a mistake."""

    fingerprint: bytes
    status: int
    body: bytes


class Answers(Part):
    async def answer_to(self, key: str) -> Answer | None:
        """What was answered to this key within the last day."""
        row = await self._database.row(
            "SELECT fingerprint, status, body FROM answer WHERE key = ? AND at_us > ?",
            (key, self._clock_us() - KEPT_US),
        )
        return Answer(*row) if row else None

    async def remember_answer(self, key: str, answer: Answer) -> None:
        """Durable before the client hears it. A body over `BODY_BYTES_MAX` is our own mistake."""
        assert len(answer.body) <= BODY_BYTES_MAX, "an answer too large to repeat"
        now_us = self._clock_us()
        async with self._database.transaction() as write:
            await write.run(
                "DELETE FROM answer WHERE at_us <= ? OR at_us <= (SELECT at_us FROM answer"
                " ORDER BY at_us DESC LIMIT 1 OFFSET ?)",
                (now_us - KEPT_US, ANSWERS_MAX - 1),
            )
            await write.run(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?)",
                (key, answer.fingerprint, answer.status, answer.body, now_us),
            )
