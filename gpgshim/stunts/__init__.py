"""All code that runs under `python3 -I -S` in a job: gpg, dgit, gpgconf, and their requests."""
