# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of one journal: its story, its row in a list, its share of the metrics. Pure."""
