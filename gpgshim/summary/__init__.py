"""What one journal tells: its story, its row in a list, its share of the metrics. Pure."""
