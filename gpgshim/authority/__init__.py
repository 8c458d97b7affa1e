"""The authority: the party that is asked once for the commitment."""
