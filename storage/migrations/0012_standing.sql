-- Counts up with every change of what is said under /_auth and /_ck, of the wallet and of names: what
-- follows from them need not be worked out again while it stands still.
ALTER TABLE store ADD COLUMN standing INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER statement_inserts AFTER INSERT ON statement
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER statement_updates AFTER UPDATE ON statement
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER statement_deletes AFTER DELETE ON statement
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER held_capability_inserts AFTER INSERT ON held_capability
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER held_capability_updates AFTER UPDATE ON held_capability
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER held_capability_deletes AFTER DELETE ON held_capability
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER joined_inserts AFTER INSERT ON joined
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER joined_updates AFTER UPDATE ON joined
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER joined_deletes AFTER DELETE ON joined
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER petname_inserts AFTER INSERT ON petname
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER petname_updates AFTER UPDATE ON petname
    BEGIN UPDATE store SET standing = standing + 1; END;
CREATE TRIGGER petname_deletes AFTER DELETE ON petname
    BEGIN UPDATE store SET standing = standing + 1; END;
