"""The vault: the chunks and pages of snapshots, in a file of their own beside the database."""
