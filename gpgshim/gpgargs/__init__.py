"""Parses gpg's command line as gpg does, and decides whether it signs."""
