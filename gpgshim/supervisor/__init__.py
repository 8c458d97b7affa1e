"""One attempt of a job: its directory, its supervisor, its settings, what follows it."""
