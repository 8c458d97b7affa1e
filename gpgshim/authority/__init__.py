# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The authority, which agrees to the commitment or refuses it, once for each attempt."""
