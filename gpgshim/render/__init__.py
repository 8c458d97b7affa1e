"""How a story and a list of attempts are shown: on a terminal, and as a page. Pure."""
