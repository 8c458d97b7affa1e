"""Worlds for whole runs: disposable, and real wherever a job could tell the difference."""
