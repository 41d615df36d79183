-- A whole blob of version 2 whose pages are objects of the vault, as its chunks are: it has no rows of them
-- here. See storage.folding.
ALTER TABLE blob ADD COLUMN in_vault INTEGER NOT NULL DEFAULT 0;
