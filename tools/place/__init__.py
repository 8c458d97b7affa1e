# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one job that signs in every place where a job can run. `table.py` has the places."""
