# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock in front of gpg-agent: its sockets, and the commands that wait there for the gate."""
