-- What a record named is kept while the record could come back: a version that was revoked, a record that
-- was deleted, an epoch that is not shown. So uses belong to the document, not to what is listed of it.
CREATE TABLE blob_use_of_documents (
    document INTEGER NOT NULL REFERENCES document ON DELETE CASCADE,
    blob     BLOB NOT NULL,
    PRIMARY KEY (document, blob)
) STRICT, WITHOUT ROWID;
INSERT INTO blob_use_of_documents SELECT document, blob FROM blob_use;
DROP VIEW derived_size;
DROP TABLE blob_use;
ALTER TABLE blob_use_of_documents RENAME TO blob_use;
CREATE INDEX blob_use_by_blob ON blob_use (blob);
CREATE VIEW derived_size (document, size) AS
    SELECT d.number, 1024 + coalesce(length(d.saved) * 5 / 4, 0)
        + coalesce((
            SELECT 512 + length(CAST(fields AS BLOB)) * 5 / 4
                + 3 * length(CAST(words || description || name || tags AS BLOB))
                + 10 * length(CAST(target AS BLOB))
            FROM listing l WHERE l.document = d.number), 0)
        + coalesce((
            SELECT 512 + length(CAST(review AS BLOB)) * 5 / 4 + 4 * length(CAST(target AS BLOB))
            FROM rating r WHERE r.document = d.number), 0)
        + 128 * (SELECT count(*) FROM blob_use b WHERE b.document = d.number)
    FROM document d;
