"""Parses gpg's command line as gpg does, and decides whether it could make a signature.

Rule 1: gpg's own parser is the reference. Each step here is a step of that parser and names its
rule: T for the words, P for the order of evaluation, C for the conf files, M for combinations of
commands, V for values that make gpg exit.
Rule 2: a fault anywhere among the option words is final: gpg exits there before it has done
anything. So the words are parsed once, and faults, exits and conflicts all mean "pass".
Rule 3: a command is not "pass" while an unknown (a conf file with conditions, another user's home)
could still turn it into one that signs.

Source: src/argparse.c of libgpg-error 1.46 to 1.61, g10/gpg.c of GnuPG 2.2.40 and 2.4.9.

Every gpg call runs this module: it imports nothing that costs time, and does no I/O.
"""

from __future__ import annotations

from gpgshim.gpgargs.commands import (
    COMMANDS,
    DETACHED,
    MEETS,
    MULTIFILE,
    NEVER,
    NEW_KEYS,
    NOT_MULTIFILE,
    PARAMETERS,
    SIGNS,
    UNSETTLED,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Row = tuple[str, int, int]  # name, number, flags: a row of gpg's option table

# The verdicts, by the words that `gpgshim classify` prints and that scripts rely on.
SIGN, PASS, UNKNOWN_COMMAND = "sign", "pass", "refuse"

# --- the table ------------------------------------------------------------------------------------

HEAD = "gpgshim option table 1"
GNUPG, CHAMELEON = "gnupg", "chameleon"
SOURCES = ("program", "wrapper")  # head keys of the table: the files that it was made from
SYSTEM_CONF = "/etc/gnupg/gpg.conf"  # the default global conf file

# The flags of a row, as in libgpg-error.
TYPE, INT, LONG, ULONG = 7, 1, 3, 4  # the argument's type; TYPE: mask, 0: none, 2: string
OPTIONAL = 8  # the argument may be left out
PREFIX = 16  # a number may be written 0x10 or 020
OBSOLETE = 64  # ignored in a conf file, an error on the command line
COMMAND = 128
CONFFILE = 256  # --options and --no-options, which the parser itself handles

# Letters that gpg accepts but does not print.
UNLISTED: dict[str, Row] = {"t": ("textmode", ord("t"), 0), "z": ("compress", ord("z"), INT)}


class Table:
    """One gpg's options, by name and by letter: the output of `--dump-option-table`.

    `version` is that gpg's own ("2.4.9"). `maker` is GNUPG or CHAMELEON (Sequoia's gpg, which has
    its own rules). `conf` is its global conf file. `sources` maps the path of each file that the
    table was made from to its plainfile.identity() at that time. `is_wrapped` says whether one of
    the files is a wrapper.

    The rows stay text, NAME:NUMBER:FLAGS, and are searched as text: a command line has about ten
    options, and parsing four hundred rows for them would be most of the cost.
    """

    __slots__ = ("conf", "is_wrapped", "maker", "sources", "text", "version")

    def __init__(
        self,
        version: str,
        maker: str,
        text: str,
        conf: str = SYSTEM_CONF,
        sources: Mapping[str, str] | None = None,
        is_wrapped: bool = False,
    ) -> None:
        self.version = version
        self.maker = maker
        self.text = text
        self.conf = conf
        self.sources = sources or {}
        self.is_wrapped = is_wrapped

    def _row(self, at: int) -> Row:
        """The row whose line feed is at `at`. Raises ValueError if it is not a row."""
        line = self.text[at + 1 : self.text.index("\n", at + 1)]
        try:
            name, number, flags = line.split(":")
            return name, int(number), int(flags)
        except ValueError:
            raise ValueError(f"option table: not a row: {line!r}") from None

    def rows(self) -> list[Row]:
        """All rows, in gpg's order."""
        return list(self._starting_with(""))

    def _starting_with(self, prefix: str) -> Iterator[Row]:
        at = self.text.find("\n" + prefix)
        while -1 < at < len(self.text) - 1:
            yield self._row(at)
            at = self.text.find("\n" + prefix, at + 1)

    def named(self, name: str) -> Row | None:
        """The row of exactly this name."""
        at = -1 if not name or ":" in name or "\n" in name else self.text.find(f"\n{name}:")
        return None if at < 0 else self._row(at)

    def find(self, name: str) -> Row | str:
        """T2: the row for which gpg takes this long name, or the fault of the name."""
        exact = self.named(name)
        if exact:
            return exact
        found = [] if not name or ":" in name or "\n" in name else list(self._starting_with(name))
        if not found:
            return "is no option"
        if any(row[1:] != found[0][1:] for row in found):
            return "is ambiguous"
        return found[0]

    def letter(self, letter: str) -> Row | None:
        """T6: the row of a letter; None if there is none."""
        at = self.text.find(f":{ord(letter)}:") if letter < "\x7f" else -1
        return UNLISTED.get(letter) if at < 0 else self._row(self.text.rindex("\n", 0, at))

    @property
    def exact(self) -> bool:
        """Whether the rules for values and for the number of words were tested with this gpg."""
        return self.maker == GNUPG and self.version.startswith(("2.2.", "2.4."))


def load(text: str) -> Table:
    """Parse a table that optable wrote. Raises ValueError if it is not one, or is torn."""
    head, _, body = text.partition("\n\n")
    first, *keys = head.split("\n")
    known = dict(key.partition(": ")[::2] for key in keys)
    if first != HEAD or known.keys() - {"conf", *SOURCES} != {"gpg", "maker", "rows"}:
        raise ValueError(f"not an option table: it begins with {text[:40]!r}, not with {HEAD!r}")
    lines = body.count("\n")
    if known["rows"] != str(lines) or body.count(":") != 2 * lines or not body.endswith("\n"):
        raise ValueError(f"option table is torn: {lines} rows, not {known['rows']}")
    sources = dict(known[key].partition(" ")[::-2] for key in SOURCES if key in known)
    conf = known.get("conf", SYSTEM_CONF)
    return Table(known["gpg"], known["maker"], "\n" + body, conf, sources, "wrapper" in known)


# --- the words ------------------------------------------------------------------------------------

SPACE = " \t\n\v\f\r"
HUGE = 1 << 65


class Taken:
    """One option or command as gpg parses it.

    `where` is "" for the command line, otherwise FILE:LINE of a conf file. `at` is the index of its
    word on the command line. `text` is the part of the word that names it (`--det`, `-b`). `name`
    is its long name in the table, or "". `flags` are the flags of that row. `value` is its
    argument. `fault` is gpg's complaint, or "".
    """

    __slots__ = ("at", "fault", "flags", "name", "text", "value", "where")

    def __init__(
        self,
        text: str,
        name: str = "",
        flags: int = 0,
        value: str | None = None,
        fault: str = "",
        where: str = "",
    ) -> None:
        self.text = text
        self.name = name
        self.flags = flags
        self.value = value
        self.fault = fault
        self.where = where
        self.at = -1


def number(text: str, flags: int = 0) -> int:
    """As C's strtol: white space, a sign, digits. Text after them is ignored; no digits give 0."""
    text = text.lstrip(SPACE)
    sign = -1 if text[:1] == "-" else 1
    text = text[1:] if text[:1] in ("-", "+") else text
    base, digits = 10, "0123456789"
    if flags & PREFIX and text[:2] in ("0x", "0X"):
        base, digits, text = 16, "0123456789abcdef", text[2:].lower()
    elif flags & PREFIX and text[:1] == "0":
        base, digits = 8, "01234567"
    total = 0
    for digit in text:
        if digit not in digits or total > HUGE:
            break
        total = total * base + digits.index(digit)
    return sign * total


def fits(flags: int, value: str) -> bool:
    """T8: whether gpg accepts this value for a number of this type."""
    kind = flags & TYPE
    if kind == INT:
        return -(1 << 31) <= number(value, flags) < 1 << 31
    if kind == LONG:
        return -(1 << 63) <= number(value, flags) < 1 << 63
    if kind == ULONG:
        return not value.lstrip(SPACE).startswith("-") and number(value, flags) < 1 << 64
    return True


def with_argument(
    text: str, row: Row, inline: str | None, after: Sequence[str]
) -> tuple[Taken, int]:
    """The option `row` with its argument (T3 to T5), and how many words of `after` it uses."""
    name, _, flags = row
    one = Taken(text, name, flags)
    if flags & OBSOLETE:
        one.fault = f"T9: {text} is obsolete, and an error on the command line"
    if not flags & TYPE:
        if inline is not None and flags & CONFFILE:
            one.fault = f"T3: {text} takes no value"
        return one, 0
    used = 0 if inline is not None else 1
    value = inline or None if not used else (after[0] if after else None)
    if flags & OPTIONAL and (value is None or (used and value.startswith("-"))):
        return one, 0
    if value is None:
        one.fault = f"T4: {text} lacks its argument"
        return one, 0
    one.value = value
    if not fits(flags, value):
        one.fault = f"T8: {text} does not take {value!r}"
    return one, used


def long_option(word: str, after: Sequence[str], table: Table) -> tuple[list[Taken], int]:
    """T2: `--name` or `--name=value`, and how many words of `after` it uses."""
    name, equals, inline = word[2:].partition("=")
    row = table.find(name)
    if isinstance(row, str):
        return [Taken(f"--{name}", fault=f"T2: --{name} {row}")], 0
    one, used = with_argument(f"--{name}", row, inline if equals else None, after)
    return [one], used


def cluster(word: str, after: Sequence[str], table: Table) -> tuple[list[Taken], int]:
    """T6, T7: `-abc`, letter by letter, until one takes the rest or the next word as argument."""
    taken: list[Taken] = []
    for at, letter in enumerate(word[1:], 2):
        row = table.letter(letter)
        if row is not None:
            takes = row[2] & TYPE
            rest = word[at:] if takes and at < len(word) else None
            one, used = with_argument(f"-{letter}", row, rest, after)
            taken.append(one)
            if takes:
                return taken, used
        elif letter in "h?":
            taken.append(Taken(f"-{letter}", "help"))
        else:
            taken.append(Taken(f"-{letter}", fault=f"T6: -{letter} is no option"))
    return taken, 0


def take(words: Sequence[str], table: Table) -> tuple[list[Taken], Sequence[str]]:
    """The options of a command line in gpg's order, faults included, and the words after them."""
    taken: list[Taken] = []
    at = 0
    while at < len(words) and len(words[at]) > 1 and words[at][0] == "-":  # T1
        word = words[at]
        at += 1
        if word == "--":
            break
        kind = long_option if word[1] == "-" else cluster
        found, used = kind(word, words[at : at + 1], table)
        for one in found:
            one.at = at - 1
        taken += found
        at += used
    return taken, words[at:]


# --- the conf files -------------------------------------------------------------------------------

PART = 1 << 16  # characters of a conf file that are split into lines at a time
# C5: options of the parser itself, which a conf file must not contain.
NOT_IN_CONF = ("help", "version", "warranty", "dump-options", "dump-option-table", "no-options")


class Doubt(Exception):
    """A conf file cannot be parsed here as gpg would. `drops`: it may remove words."""

    def __init__(self, why: str, drops: bool = False) -> None:
        super().__init__(why)
        self.drops = drops


def fields(text: str) -> list[str]:
    """Split at C's white space only: str.split() splits at other characters too."""
    for space in SPACE:
        text = text.replace(space, " ")
    return [field for field in text.split(" ") if field]


def first_field(line: str) -> str:
    """The first of fields(line), for a line that begins with a field; fast in the usual case."""
    keyword = line.partition(" ")[0]
    return keyword if keyword.isprintable() else fields(line)[0]


def lines_of(text: str) -> Iterator[str]:
    """The lines of a text, split in parts: a list of all lines may be ten times its size."""
    begin = 0
    while begin <= len(text):
        end = text.find("\n", begin + PART)
        end = len(text) if end < 0 else end
        yield from text[begin:end].split("\n")
        begin = end + 1


def take_conf(text: str, path: str, table: Table) -> list[Taken]:
    """C3, C5, C6: the options of a conf file, with faults. Raises Doubt if it has conditions."""
    taken: list[Taken] = []
    forgiven: set[str] = set()
    rows: dict[str, Row | None] = {}  # by keyword: a long file repeats the same keywords
    if "\0" in text:
        raise Doubt(f"C3: {path} holds a NUL")
    if text[1:2] == "\n" and text[2:] and text[0] not in SPACE + "#":
        # libgpg-error reads three bytes to find a byte order mark, and loses some of them.
        raise Doubt(f"C3: after {path}:1, one letter, the first letter of the next line is lost")
    for at, raw in enumerate(lines_of(text.removeprefix("\ufeff")), 1):
        line = raw.strip(SPACE)
        if not line or line[0] == "#":
            continue
        if line[0] == "[":
            drops = path == table.conf and ("force" in text or "ignore" in text)
            raise Doubt(f"C7: {path}:{at} has {line}", drops)
        keyword = first_field(line)
        argument = line[len(keyword) :].lstrip(SPACE)
        if keyword == "ignore-invalid-option":
            forgiven.update(fields(argument))
            continue
        if keyword == "alias" and argument:
            raise Doubt(f"C3: {path}:{at} has an alias")
        if keyword not in rows:
            rows[keyword] = table.named(keyword)
        row = rows[keyword]
        if row is None and keyword in forgiven:
            continue
        name, _, flags = row or (keyword, 0, 0)
        if flags & OBSOLETE and raw.endswith(keyword):
            continue
        one = Taken(keyword, name, flags, where=f"{path}:{at}")
        if row is None or flags & OBSOLETE or keyword in NOT_IN_CONF:
            one.fault = "is no option"
        elif argument and not flags & TYPE:
            one.fault = "takes no argument"
        elif argument:
            one.value = argument[1:].removesuffix('"') if argument[0] == '"' else argument
            if not fits(flags, one.value):
                one.fault = f"does not take {one.value!r}"
        elif flags & TYPE and not flags & OPTIONAL:
            one.fault = "lacks its argument"
        if one.fault:
            one.fault = f"C6: {one.where}: {keyword} {one.fault}"
            if table.version.startswith("2.2."):
                continue  # 2.2 warns, and continues
            if not table.exact:
                raise Doubt(one.fault)
        taken.append(one)
    return taken


def home(path: str, environ: Mapping[str, str]) -> str:
    """C2: `path` with a leading ~ replaced. Raises Doubt if that needs the user database."""
    if path == "~" or path.startswith("~/"):
        if "HOME" not in environ:
            raise Doubt("C2: HOME is not set")
        return environ["HOME"] + path[1:]
    if path.startswith("~"):
        raise Doubt(f"C2: the home of another user, {path}")
    return path


def user_confs(taken: Sequence[Taken], table: Table, environ: Mapping[str, str]) -> list[str]:
    """C1, C2: the candidates for the user's conf file; gpg takes the first that it can read."""
    given = [one for one in taken if one.flags & CONFFILE]
    if given:
        values = [one.value for one in given]
        return [] if None in values else [values[0] or ""]
    if any(one.name == "chuid" for one in taken):
        raise Doubt("C2: --chuid, so the conf file is another user's")
    homedirs = [one.value for one in taken if one.name == "homedir"]
    homedir = (homedirs and homedirs[-1]) or environ.get("GNUPGHOME") or "~/.gnupg"
    base = home(homedir[0] + homedir[1:].rstrip("/"), environ) + "/gpg.conf"
    paths, version = [], table.version
    while version:
        paths.append(f"{base}-{version}")
        version = version[: max(version.rfind("."), version.rfind("-"), 0)]
    return [*paths, base]


def first(paths: Sequence[str], file: Callable[[str], str | None]) -> tuple[str, str] | None:
    """The first of these files that can be read, and its text. Raises Doubt for other errors."""
    for path in paths:
        try:
            text = file(path)
        except (PermissionError, NotADirectoryError):
            continue  # gpg runs as the same user, cannot read the file either, and continues
        except OSError as problem:
            raise Doubt(f"C1: {path}: {problem.strerror or problem}") from None
        if text is not None:
            return path, text
    return None


def take_confs(
    taken: Sequence[Taken],
    table: Table,
    environ: Mapping[str, str],
    file: Callable[[str], str | None],
) -> tuple[list[Taken], Doubt | None]:
    """P2: the options of the global and the user's conf file, and why some may be unknown."""
    found: list[Taken] = []
    try:
        system = first([table.conf], file)
        found += take_conf(system[1], system[0], table) if system else []
    except Doubt as doubt:
        return [], doubt  # the user's file is unknown too: an [if] without [fi] reaches into it
    try:
        paths = user_confs(taken, table, environ)
        user = first(paths, file)
        found += take_conf(user[1], user[0], table) if user else []
    except Doubt as doubt:
        return found, doubt
    # After a global file, 2.2 treats an error in opening the next file as a bad line of the last.
    warns = not table.exact or (table.version.startswith("2.2.") and system is not None)
    if len(paths) == 1 and not user and not warns:
        found.append(Taken("--options", fault=f"C1: option file {paths[0]!r} cannot be read"))
    return found, None


# --- the verdict ----------------------------------------------------------------------------------

AT_ONCE = ("help", "warranty", "dump-options", "dump-option-table")  # P1
# P4, V: option values that make gpg exit. First, a request for a list of the possible values;
HELP = ("help", "full-help")
LISTS = {
    "list-options": HELP,
    "import-options": HELP,
    "export-options": HELP,
    "keyserver-options": HELP,
    "verify-options": HELP,
    "debug": ("help", "?"),
    "compatibility-flags": ("help", "?"),
}
# then, a word that is none of these (in any case);
CHOICES = {
    "compliance": "gnupg openpgp rfc4880bis rfc4880 rfc2440 pgp6 pgp7 pgp8 de-vs",
    "tofu-default-policy": "auto good unknown bad ask",
    "trust-model": "pgp classic always direct tofu tofu+pgp auto",
    "keyid-format": "short long 0xshort 0xlong none",
    "pinentry-mode": "ask default cancel error loopback",
    "request-origin": "none local remote browser",
    "force-ownertrust": "undefined never marginal full ultimate",
}
# then, a number out of range, unless a later option corrects it (the first item names which).
# s2k-mode is missing here, because --openpgp and similar options correct it too.
RANGES = {
    "completes-needed": ("completes-needed", range(1, 1 << 31)),
    "marginals-needed": ("marginals-needed", range(2, 1 << 31)),
    "max-cert-depth": ("max-cert-depth", range(1, 256)),
    "default-cert-level": ("default-cert-level", range(4)),
    "default-cert-check-level": ("default-cert-level", range(4)),
    "min-cert-level": ("min-cert-level", range(1, 4)),
}
# Last, options that only print which other option to use.
GONE = ("print-dane-records", "print-pka-records")
# In gpg's table a command, but used as an option: it lists keys only if there is no command.
NO_COMMAND = ("fingerprint",)


class Reading:
    """What gpg would do with a command line.

    `verdict` is SIGN, PASS or UNKNOWN_COMMAND. `reason` is one short clause that names the rule and
    the word. `status_fd` is the last --status-fd, or None. `taken` and `files` are all words in
    gpg's order, conf files first. `doubt` says what is unknown, or is "".
    """

    __slots__ = ("doubt", "files", "reason", "status_fd", "taken", "verdict")

    def __init__(
        self, verdict: str, reason: str, taken: Sequence[Taken], files: Sequence[str], doubt: str
    ) -> None:
        self.verdict = verdict
        self.reason = reason
        self.taken = taken
        self.files = files
        self.doubt = doubt
        fds = [
            number(one.value) for one in taken if one.name == "status-fd" and one.value is not None
        ]
        self.status_fd = fds[-1] if fds and fds[-1] >= 0 else None


def ends(one: Taken, table: Table) -> str:
    """P3, P4: why gpg exits at this option, or "" if it continues."""
    if one.name == "version":
        return f"P3: {one.text} prints and exits"
    value = one.value or ""
    if value.lstrip(SPACE) in LISTS.get(one.name, ()):
        return f"P4: {one.text} {value} prints and exits"
    if not table.exact:
        return ""
    if one.name in GONE:
        return f"V: {one.text} is an error"
    if one.name in CHOICES and value.lower() not in CHOICES[one.name].split():
        return f"P4: {one.text} does not know {value!r}"
    return ""


def name_of(one: Taken) -> str:
    """A command's name in a reason: the rule, the word, and the full name if it differs."""
    rule = "C4" if one.where else "T2" if one.text.startswith("--") else "T6"
    return (
        f"{rule}: {one.text}"
        if one.text.removeprefix("--") == one.name
        else f"{rule}: {one.text} is {one.name}"
    )


def stop(taken: Sequence[Taken], table: Table, doubt: Doubt | None) -> str:
    """Why gpg exits while it parses its options, or ""."""
    numbers: dict[str, Taken] = {}
    for one in taken:
        end = one.fault or ends(one, table)
        if end:
            return end
        if one.name in RANGES:
            numbers[RANGES[one.name][0]] = one
    for one in numbers.values():
        if one.where and doubt:
            continue  # a later file may correct it
        if table.exact and number(one.value or "", one.flags) not in RANGES[one.name][1]:
            return f"V: {one.text} is out of range with {one.value}"
    return ""


def meet(commands: Sequence[Taken]) -> tuple[str, Taken | None, str]:
    """M1: the combination of these commands, the one that signs, and the conflict or ""."""
    meaning, signer = "", None
    for one in commands:
        new = COMMANDS[one.name][0]
        signer = one if new in SIGNS else signer
        if meaning not in ("", new):
            both = MEETS.get((meaning, new))
            if both is None:
                return meaning, signer, f"M1: {one.text} conflicts with {meaning}"
            new = both
        meaning = new
    return meaning, signer, ""


def unfit(meaning: str, taken: Sequence[Taken], files: Sequence[str]) -> str:
    """M3 to M6: why gpg refuses this command with these options and this number of words, or ""."""
    names = [one.name for one in taken]
    if meaning in NOT_MULTIFILE and any(name in MULTIFILE for name in names):
        return f"M3: {meaning} does not work with --multifile"
    detached = meaning == "sign" and "detach-sign" in names
    least, most = DETACHED if detached else SIGNS[meaning]
    if not least <= len(files) <= most:
        return f"M4: {meaning} does not work with {len(files)} words after it"
    if files and meaning in PARAMETERS:
        batch = [name for name in names if name in ("batch", "no-batch")]
        if batch[-1:] != ["batch"] and not any(name in PARAMETERS[meaning] for name in names):
            return f"M5: {meaning} takes a parameter file only with --batch"
    if meaning in NEW_KEYS and "forbid-gen-key" in names:
        return f"M6: --forbid-gen-key forbids {meaning}"
    return ""


def judge(
    taken: Sequence[Taken], files: Sequence[str], table: Table, doubt: Doubt | None
) -> tuple[str, str]:
    """The verdict on everything that gpg reads, and the reason."""
    commands = [one for one in taken if one.flags & COMMAND and one.name not in NO_COMMAND]
    unknown = [one for one in commands if one.name not in COMMANDS]
    never = [one for one in commands if one not in unknown and COMMANDS[one.name][0] == NEVER]
    end = stop(taken, table, doubt)
    asks_version = any(one.name == "version" for one in taken)
    if (
        table.maker == CHAMELEON
        and not asks_version
        and (end or doubt or not never or never != commands)
    ):
        return SIGN, "Sequoia's gpg reads its words by rules of its own"
    if end:
        return PASS, end
    if unknown:
        return UNKNOWN_COMMAND, f"{name_of(unknown[0])}, a command that gpgshim does not know"
    if doubt and doubt.drops:
        return SIGN, str(doubt)
    if never:
        return PASS, f"{name_of(never[0])}: {COMMANDS[never[0].name][1]}"
    meaning, signer, conflict = meet(commands)
    if conflict:
        return PASS, conflict
    if signer is None:
        problem = "M2: nothing that signs"
    else:
        problem = unfit(meaning, taken, files) if table.exact else ""
    if signer is None or problem:
        return (SIGN, str(doubt)) if doubt and meaning in UNSETTLED else (PASS, problem)
    return SIGN, f"{name_of(signer)}: {COMMANDS[signer.name][1]}"


def read(
    words: Sequence[str],
    table: Table,
    environ: Mapping[str, str],
    file: Callable[[str], str | None],
) -> Reading:
    """How gpg would read `words` (its argv without argv[0]; surrogateescape).

    `file` returns the text of a conf file (surrogateescape), or None if there is none. A relative
    path is relative to gpg's working directory. It raises OSError if the content is unknown, and
    for anything but a plain file: a pipe that was read here would be empty when gpg reads it.
    """
    taken, files = take(words, table)
    for one in taken:
        if one.name in AT_ONCE:
            return Reading(PASS, f"P1: {one.text} ends gpg at once", taken, files, "")
    confs: list[Taken] = []
    doubt: Doubt | None = None
    if not any(one.fault for one in taken):
        confs, doubt = take_confs(taken, table, environ, file)
    verdict, reason = judge([*confs, *taken], files, table, doubt)
    return Reading(verdict, reason, [*confs, *taken], files, str(doubt or ""))
