"""One attempt of a job: its directory, supervisor, settings, and the work after it."""
