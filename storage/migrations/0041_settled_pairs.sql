-- Two snapshots of which the older one was written anew against the newer one, or tried: no start looks at these two again.
-- Of each blob alone, whoever names it beside something else kept it from ever being tried again. See storage.unsettled.
DROP TABLE settled;
CREATE TABLE settled (
    older INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,
    newer INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,
    PRIMARY KEY (older, newer)
) STRICT, WITHOUT ROWID;
CREATE INDEX settled_by_newer ON settled (newer);
