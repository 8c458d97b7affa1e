# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of `gpgshim doctor`, one module for each group.

Rule 1: a check is a constant of its module, a Check: its name, the facts that it gathers, and its
diagnosis, a function of these facts alone. A new check is a new constant, and nothing else.
Rule 2: these modules do no I/O: they gather through a Machine (facts.py), a parameter.
Rule 3: a fact that could not be gathered never counts as good.
"""
