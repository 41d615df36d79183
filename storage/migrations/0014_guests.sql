-- Guests: whom an author let write in records of theirs, and whoever came in through that one. What they take is
-- told apart from what the author does. Before this was noted nobody's was. See docs/protocol/quotas.md.
ALTER TABLE origin ADD COLUMN guest BLOB NOT NULL DEFAULT x'';
ALTER TABLE derived ADD COLUMN guest BLOB NOT NULL DEFAULT x'';

DROP TRIGGER usage_inserted;
DROP TRIGGER usage_updated;
DROP TRIGGER usage_deleted;
DROP INDEX usage_by_source;
CREATE TABLE usage_of_guests (
    author      BLOB NOT NULL,
    guest       BLOB NOT NULL,               -- empty: the author
    namespace   INTEGER NOT NULL REFERENCES namespace,
    source      INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    entries     INTEGER NOT NULL,
    is_stranger INTEGER NOT NULL,
    PRIMARY KEY (author, guest, namespace, source)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_of_guests
    SELECT author, x'', namespace, source, bytes, entries, is_stranger FROM usage;
DROP TABLE usage;
ALTER TABLE usage_of_guests RENAME TO usage;
CREATE INDEX usage_by_source ON usage (source);

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
