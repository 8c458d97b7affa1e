"""The program `gpgshim`: its verbs, and their output."""
