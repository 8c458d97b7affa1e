"""`python3 -m gpgshim`, for a checkout."""

from gpgshim.cli import main

main()
