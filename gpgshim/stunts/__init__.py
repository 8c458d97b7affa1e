# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""All code that runs under `python3 -I -S` in a job: gpg, dgit, gpgconf, and their requests."""
