-- In which challenges an attestation is an entry; rows of documents, as those of attestation are.
CREATE TABLE challenge_entry (
    document  INTEGER NOT NULL REFERENCES attestation ON DELETE CASCADE,
    challenge TEXT NOT NULL,
    namespace INTEGER NOT NULL,
    author    TEXT NOT NULL,
    PRIMARY KEY (document, challenge)
) STRICT, WITHOUT ROWID;
CREATE INDEX challenge_entry_by_challenge ON challenge_entry (namespace, challenge, author);

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
        + coalesce((
            SELECT 1024 + length(said) * 5 / 4 FROM attestation a WHERE a.document = d.number), 0)
        + 512 * (SELECT count(*) FROM challenge_entry e WHERE e.document = d.number)
        + 128 * (SELECT count(*) FROM blob_use b WHERE b.document = d.number)
    FROM document d;
