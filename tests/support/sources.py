# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian source package, for programs that build one and sign it."""

from __future__ import annotations

#: A source package in hello-1, which debuild and gbp can build.
HELLO = (
    "mkdir -p hello-1/debian/source && cd hello-1"
    " && echo '3.0 (native)' >debian/source/format"
    " && printf 'hello (1) unstable; urgency=low\\n\\n  * First.\\n\\n"
    " -- Probe <probe@example.org>  Tue, 24 Nov 2026 00:00:00 +0000\\n' >debian/changelog"
    " && printf 'Source: hello\\nMaintainer: Probe <probe@example.org>\\n\\n"
    "Package: hello\\nArchitecture: all\\nDescription: none\\n' >debian/control"
    " && printf '#!/usr/bin/make -f\\n%%:\\n\\t@:\\n' >debian/rules"
    " && chmod +x debian/rules && cd .."
)
