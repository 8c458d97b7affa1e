# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every route past PATH to a signature, in each form of the gate: the table of SECURITY.md."""
