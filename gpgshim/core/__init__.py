# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure core: the gate's tables, the journal's text, tag2upload's protocol, replay."""
