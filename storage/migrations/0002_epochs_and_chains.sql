-- The id of the entry that its device says came before it in the document, NULL for its first.
ALTER TABLE entry ADD COLUMN prev BLOB;
-- A payload: 5 bytes, authority heads, prev. See crdt.change.
UPDATE entry SET prev = substr(payload, 6 + length(auth_heads), 32) WHERE seq > 1;

-- The heads of the epoch before that came over into this one, 32 bytes each; NULL while it is not open,
-- empty for the first epoch, which carries nothing. The newest open epoch of a record is shown.
ALTER TABLE document ADD COLUMN carried BLOB DEFAULT x'';
CREATE INDEX document_epochs ON document (record) WHERE epoch > 0;

-- Which rules made the documents, lists and ratings; older ones are made again.
ALTER TABLE store ADD COLUMN derived INTEGER NOT NULL DEFAULT 0;
