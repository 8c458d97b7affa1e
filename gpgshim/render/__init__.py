# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The output of stories and of lists of attempts, for a terminal and as a page. Pure."""
