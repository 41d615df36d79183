-- Seconds of a processor that attesting by itself used and did not rest for yet.
ALTER TABLE store ADD COLUMN attesting_owed_s REAL NOT NULL DEFAULT 0;
