# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worlds for whole runs: disposable, and real wherever a job could tell the difference."""
