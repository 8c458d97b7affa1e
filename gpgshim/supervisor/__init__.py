# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt of a job: its directory, supervisor, settings, and the work after it."""
