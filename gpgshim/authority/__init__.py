"""The party that is asked once for the commitment."""
