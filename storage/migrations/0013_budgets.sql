-- Budgets: 0 is that of all strangers, in every communal namespace; an owned one has its own, under its
-- number, in which everybody counts; the lowest bit of a key says which it is. See docs/protocol/quotas.md.
ALTER TABLE namespace ADD COLUMN budget INTEGER
    GENERATED ALWAYS AS (iif(instr('02468ACE', substr(hex(key), 64)) > 0, 0, number)) VIRTUAL;

DROP TRIGGER usage_inserted;
DROP TRIGGER usage_updated;
DROP TRIGGER usage_deleted;
DROP INDEX source_by_strangers;
CREATE TABLE source_without_sums (
    number INTEGER PRIMARY KEY,
    key    TEXT NOT NULL UNIQUE,
    author BLOB                              -- for whom that device proved to speak, if it is one
) STRICT;
INSERT INTO source_without_sums SELECT number, key, author FROM source;
DROP TABLE source;
ALTER TABLE source_without_sums RENAME TO source;

-- What each source brought and is still here, by the budget that it belongs to.
CREATE TABLE weight (
    budget INTEGER NOT NULL,
    source INTEGER NOT NULL,
    bytes  INTEGER NOT NULL,                 -- of these, what counts against the budget
    total  INTEGER NOT NULL,
    PRIMARY KEY (budget, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX weight_by_bytes ON weight (budget, bytes);

-- Whom nobody here follows, wherever they write; members of owned namespaces were all followed before.
UPDATE usage SET is_stranger = NOT EXISTS (SELECT 1 FROM followed f WHERE f.author = usage.author);
INSERT INTO weight
    SELECT n.budget, u.source, sum(u.bytes * (u.is_stranger OR n.budget)), sum(u.bytes)
    FROM usage u JOIN namespace n ON n.number = u.namespace GROUP BY n.budget, u.source;

CREATE TRIGGER usage_inserted AFTER INSERT ON usage BEGIN
    INSERT INTO weight SELECT budget, NEW.source, NEW.bytes * (NEW.is_stranger OR budget), NEW.bytes
    FROM namespace WHERE number = NEW.namespace
    ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes, total = total + excluded.total;
END;
CREATE TRIGGER usage_updated AFTER UPDATE ON usage BEGIN
    UPDATE weight SET total = total + NEW.bytes - OLD.bytes, bytes = bytes
        + NEW.bytes * (NEW.is_stranger OR budget) - OLD.bytes * (OLD.is_stranger OR budget)
    WHERE source = NEW.source
        AND budget = (SELECT budget FROM namespace WHERE number = NEW.namespace);
END;
CREATE TRIGGER usage_deleted AFTER DELETE ON usage BEGIN
    UPDATE weight SET total = total - OLD.bytes,
        bytes = bytes - OLD.bytes * (OLD.is_stranger OR budget)
    WHERE source = OLD.source
        AND budget = (SELECT budget FROM namespace WHERE number = OLD.namespace);
END;

-- Whether only one budget, or one source's part of it, was full: then it may still come from another.
ALTER TABLE kept_out ADD COLUMN is_for_room INTEGER NOT NULL DEFAULT 0;
