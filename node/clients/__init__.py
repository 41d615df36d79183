"""What games take with them: single files, written out by `panspermia universe client`."""
