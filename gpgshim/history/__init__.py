"""The journals: writing one, listing all, pruning old ones, replaying records."""
