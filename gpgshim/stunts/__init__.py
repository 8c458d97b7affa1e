"""Everything that runs under `python3 -I -S` in a job: gpg, dgit, gpgconf, and how they ask."""
