# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""tag2upload's oracle: the stunt dgit-repos-server, checks of its set-up, and a rehearsal."""
