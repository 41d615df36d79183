-- Genomes, seeds and lineages in lists: what they are ranked by, and short bytes that are text.
ALTER TABLE listing ADD COLUMN score REAL NOT NULL DEFAULT 0;
ALTER TABLE listing ADD COLUMN tick INTEGER NOT NULL DEFAULT 0;
-- The last column: whoever does not ask for it reads none of its pages.
ALTER TABLE listing ADD COLUMN content TEXT NOT NULL DEFAULT '';
CREATE INDEX listing_by_score ON listing (namespace, kind, score, target);
CREATE INDEX listing_by_tick ON listing (namespace, kind, tick, target);

DROP VIEW derived_size;
CREATE VIEW derived_size (document, size) AS
    SELECT d.number, 1024 + coalesce(length(d.saved) * 5 / 4, 0)
        + coalesce((
            SELECT 512 + length(CAST(fields AS BLOB)) * 5 / 4
                + length(CAST(content AS BLOB)) * 5 / 4
                + 3 * length(CAST(words || description || name || tags AS BLOB))
                + 12 * length(CAST(target AS BLOB))
            FROM listing l WHERE l.document = d.number), 0)
        + coalesce((
            SELECT 512 + length(CAST(review AS BLOB)) * 5 / 4 + 4 * length(CAST(target AS BLOB))
            FROM rating r WHERE r.document = d.number), 0)
        + 128 * (SELECT count(*) FROM blob_use b WHERE b.document = d.number)
    FROM document d;
