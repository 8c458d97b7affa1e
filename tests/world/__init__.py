"""Worlds for whole runs: an archive, a builder, a key, a queue; disposable, and real wherever a job can tell."""
