-- How whoever took an invite calls themselves: their own word, never a name here.
ALTER TABLE invite ADD COLUMN called TEXT NOT NULL DEFAULT '';
