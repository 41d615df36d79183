-- Who had named a blob in private when its bytes came here: whoever names it later opens it to nobody.
-- See storage.namers.
CREATE TABLE blob_namer (
    blob   INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,
    author BLOB NOT NULL,                    -- empty: it was public, and stays so
    PRIMARY KEY (blob, author)
) STRICT, WITHOUT ROWID;

-- Thousands may name one blob in commons: those who do elsewhere are found without looking at them.
ALTER TABLE blob_use ADD COLUMN namespace INTEGER NOT NULL DEFAULT 0;
UPDATE blob_use SET namespace = (SELECT namespace FROM document WHERE number = blob_use.document);
DROP INDEX blob_use_by_blob;
CREATE INDEX blob_use_by_blob ON blob_use (blob, namespace);

-- What is here and was named in commons only came from public hands.
INSERT INTO blob_namer
    SELECT b.number, x'' FROM blob b WHERE b.is_complete
        AND b.id IN (SELECT blob FROM blob_use)
        AND b.id NOT IN (SELECT frontier FROM statement WHERE frontier IS NOT NULL)
        AND b.id NOT IN (
            SELECT u.blob FROM blob_use u JOIN namespace n ON n.number = u.namespace
            WHERE n.key <> x'95a38ca2ae81aa2dac160cb920a37ac1f72f4f6a39df8f705f83215e30f32900');
