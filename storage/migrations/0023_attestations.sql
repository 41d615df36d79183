-- What authors say of evaluations of genomes; see registry.attestation. Rows of documents, made again from
-- entries whenever those change.
CREATE TABLE attestation (
    document   INTEGER PRIMARY KEY REFERENCES document,
    namespace  INTEGER NOT NULL,
    evaluation BLOB NOT NULL,
    genome     BLOB NOT NULL,
    author     TEXT NOT NULL,
    is_run     INTEGER NOT NULL,             -- its author ran it, and does not only claim
    at_us      INTEGER NOT NULL,             -- the latest thing said of it, as its author has it
    said       BLOB NOT NULL
) STRICT;
CREATE INDEX attestation_by_genome ON attestation (namespace, genome, author);
CREATE INDEX attestation_by_evaluation ON attestation (evaluation, author);
CREATE INDEX attestation_by_author ON attestation (author, at_us);

-- Of what followed authors say: what gave no answer on this machine, not to be run again by itself.
CREATE TABLE not_attested (
    evaluation BLOB PRIMARY KEY,
    code       TEXT NOT NULL,
    at_us      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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
        + 128 * (SELECT count(*) FROM blob_use b WHERE b.document = d.number)
    FROM document d;
