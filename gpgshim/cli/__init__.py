"""The program `gpgshim`: its verbs, and what they print."""
