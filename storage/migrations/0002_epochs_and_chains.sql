-- The id of the entry that its device says came before it in the document, NULL for its first.
ALTER TABLE entry ADD COLUMN prev BLOB;
-- A payload: 5 bytes, authority heads, prev. See crdt.change.
UPDATE entry SET prev = substr(payload, 6 + length(auth_heads), 32) WHERE seq > 1;

-- Whether this epoch of its record has taken over from the one before: see crdt.rollover. The newest
-- one that has is shown.
ALTER TABLE document ADD COLUMN is_open INTEGER NOT NULL DEFAULT 1;
CREATE INDEX document_epochs ON document (record) WHERE epoch > 0;

-- Which rules made the documents, lists and ratings; older ones are made again.
ALTER TABLE store ADD COLUMN derived INTEGER NOT NULL DEFAULT 0;
