"""What `scripts/nightly` runs; docs/FUZZING.md describes it."""
