"""A commitment gate for signatures: a stunt gpg, and the supervisor that it asks."""

__version__ = "0.1.0"
