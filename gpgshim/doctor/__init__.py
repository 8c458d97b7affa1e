"""Examines a machine, and says what to repair."""
