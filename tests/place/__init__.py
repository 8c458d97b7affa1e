"""Does the gate hold in every place where a job can run? `table.py` has the places."""
