"""SQLite and the search index: the only folder that speaks SQL."""
