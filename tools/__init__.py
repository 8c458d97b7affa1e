"""Programs for the people who work on this project. Nothing of them is installed."""
