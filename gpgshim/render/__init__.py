"""The output of stories and of lists of attempts, for a terminal and as a page. Pure."""
