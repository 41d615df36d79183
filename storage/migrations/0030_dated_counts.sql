-- When an author counted first for what they installed or downloaded; NULL where nobody noted it.
-- Made again from the entries: see `derived`.
ALTER TABLE rating ADD COLUMN counted_us INTEGER;
