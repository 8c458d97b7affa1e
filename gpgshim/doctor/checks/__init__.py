"""The checks of `gpgshim doctor`, one module for each group. They do no I/O."""
