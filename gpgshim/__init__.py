# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A commitment gate for signatures: a stunt gpg, and the supervisor that it asks."""

__version__ = "0.1.0"
