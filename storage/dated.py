"""When authors rated a record and counted for it, added up by day: what trends are made of."""

from crdt.keys import COMMONS, NamespaceKey
from storage.listing import DAY_US, DayCount, Span
from storage.listings import LATEST_RATINGS
from storage.part import Part


class Dated(Part):
    async def days_of(
        self, target: str, kind: str, span: Span, namespace: NamespaceKey = COMMONS
    ) -> list[DayCount]:
        """Ratings and counts of `target` (`did/record`), each author once, days as `Span.day_of`.

        At most two rows a day of the span, and three more: whatever dates strangers make up.
        """
        rows = await self._database.rows(
            f"""WITH latest AS ({LATEST_RATINGS}), said (what, at_us, stars) AS (
                SELECT 'ratings', updated_us, stars FROM latest WHERE stars IS NOT NULL
                UNION ALL SELECT 'downloads', counted_us, 0 FROM latest WHERE installs > 0)
            SELECT what, iif(at_us > ?, ?, max(?, min(?, at_us / {DAY_US}))) AS day,
                count(*), sum(stars) FROM said GROUP BY what, day ORDER BY what, day""",
            (target, kind, namespace, span.horizon_us, span.last + 1, span.first - 1, span.last),
        )
        return [DayCount(*row) for row in rows]
