"""Runs one job that signs in every place where a job can run. `table.py` has the places."""
