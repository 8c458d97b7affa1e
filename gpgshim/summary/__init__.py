"""The content of one journal: its story, its row in a list, its share of the metrics. Pure."""
