"""The operating system: paths, descriptors, errors, log lines, what can be executed."""
