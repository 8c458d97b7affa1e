"""Reads gpg's command line as gpg does, and tells whether it signs."""
