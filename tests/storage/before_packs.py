"""What some migrations did, taken back: how a file was before them."""

BEFORE_PACKS = (
    "DROP TABLE kept; ALTER TABLE blob DROP COLUMN in_vault;"
    "ALTER TABLE blob_use DROP COLUMN size; ALTER TABLE blob_use DROP COLUMN at_us;"
    "CREATE TABLE blob_chunk (blob INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,"
    " place INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (blob, place)) WITHOUT ROWID;"
    "INSERT INTO blob_chunk SELECT b.blob, b.first + c.place, c.hash"
    " FROM blob_page b JOIN page_chunk c ON c.page = b.page;"
    "CREATE TABLE old_page (blob INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,"
    " page INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (blob, page));"
    "INSERT INTO old_page SELECT b.blob, b.place, p.data"
    " FROM blob_page b JOIN page p ON p.number = b.page;"
    "DROP TABLE blob_page; ALTER TABLE old_page RENAME TO blob_page;"
    "DROP TABLE page_chunk; DROP TABLE page; ALTER TABLE blob DROP COLUMN page_count;"
    "DROP TABLE packed; DROP TABLE pack; DROP TABLE pinned;"
)

BEFORE_LIFE = (
    "DROP VIEW derived_size;"
    "CREATE VIEW derived_size AS SELECT number document, 0 size FROM document;"
    "DROP TABLE settled; DROP TABLE snapshot; DROP TABLE happened; DROP TABLE universe_count;"
    "DROP INDEX universe_by_owner; DROP INDEX universe_by_parent;"
    "DROP INDEX passage_by_source; DROP INDEX passage_by_target;"
    "DROP TABLE challenge_entry; DROP TABLE accepted_risk;"
    "DROP TABLE attestation; DROP TABLE not_attested; DROP INDEX listing_about;"
    "DROP INDEX genome_by_lineage; DROP INDEX lineage_by_parent;"
    "DROP INDEX listing_by_score; DROP INDEX listing_by_tick;"
    "ALTER TABLE listing DROP COLUMN score; ALTER TABLE listing DROP COLUMN tick;"
    "ALTER TABLE listing DROP COLUMN content; ALTER TABLE rating DROP COLUMN counted_us;"
    "ALTER TABLE store DROP COLUMN attesting_owed_s;"
)
