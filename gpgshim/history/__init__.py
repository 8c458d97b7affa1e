"""The journals: the file that is written, the directory of all, pruning, replayed records."""
