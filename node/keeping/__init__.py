"""What this node keeps of others' blobs because records name them: docs/protocol/keeping.md."""
