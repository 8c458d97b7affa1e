# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrappers that people write: each runs the real gpg, and the larger ones send a request first.

Rule 1: they do only what the comparison needs: before a signature, they send one line to a socket
and read one line. None of them reads gpg's command line as gpg does.
Rule 2: `{python}`, `{gpg}` and `{gate}` are filled in beforehand: no wrapper looks for a program.
"""

from __future__ import annotations

SH = """\
#!/bin/sh
exec {gpg} "$@"
"""

#: The least that Python can do. All other Python programs are compared with it.
BARE = """\
#!{python} -IS
import posix
import sys

posix.execv("{gpg}", ["gpg", *sys.argv[1:]])
"""

PERL = """\
#!/usr/bin/perl
use strict;
use warnings;
use Socket;

if (grep { /^(-[sb]|--(detach-|clear)?sign)$/ } @ARGV) {
    socket(my $gate, AF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
    connect($gate, pack_sockaddr_un("{gate}")) or die "connect: $!";
    syswrite($gate, "sign\\n") or die "write: $!";
    my $answer = <$gate>;
    die "no go" unless defined $answer && $answer eq "go\\n";
}
exec { "{gpg}" } "gpg", @ARGV or die "exec: $!";
"""

PYTHON = """\
#!{python}
import argparse
import json
import os
import socket
import sys

parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
parser.add_argument("-s", "--sign", action="store_true")
parser.add_argument("-b", "--detach-sign", action="store_true")
parser.add_argument("--clear-sign", "--clearsign", action="store_true")
parser.add_argument("--status-fd", type=int)
options, _ = parser.parse_known_args()
if options.sign or options.detach_sign or options.clear_sign:
    with socket.socket(socket.AF_UNIX) as gate:
        gate.connect("{gate}")
        gate.sendall(json.dumps("sign").encode() + b"\\n")
        if gate.makefile().readline() != "go\\n":
            sys.exit("no go")
os.execv("{gpg}", ["gpg", *sys.argv[1:]])
"""

CLICK = """\
#!{python}
import json
import os
import socket
import sys

import click


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.option("-s", "--sign", is_flag=True)
@click.option("-b", "--detach-sign", is_flag=True)
@click.option("--clear-sign", "--clearsign", is_flag=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def gpg(sign, detach_sign, clear_sign, words):
    if sign or detach_sign or clear_sign:
        with socket.socket(socket.AF_UNIX) as gate:
            gate.connect("{gate}")
            gate.sendall(json.dumps("sign").encode() + b"\\n")
            if gate.makefile().readline() != "go\\n":
                sys.exit("no go")
    os.execv("{gpg}", ["gpg", *sys.argv[1:]])


gpg()
"""

WRAPPERS = {
    "/bin/sh, only execs": SH,
    "python3 -I -S, only execs": BARE,
    "perl, Socket": PERL,
    "python3, argparse, socket, json": PYTHON,
    "python3, click, socket, json": CLICK,
}
