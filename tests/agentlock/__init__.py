# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
