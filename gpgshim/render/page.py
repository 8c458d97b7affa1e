"""One job's story as a page: a sequence diagram, to scale in time, and the same events in words.

Rule 1: pure: a transcript in, one self-contained page out. No script, and nothing is fetched: the
page itself forbids both (Content-Security-Policy), whatever text a journal contains.
Rule 2: every text of a journal goes through `_text`, and is shown; it never becomes markup.
Rule 3: colour only repeats the information of a word, a line or a pattern.

A diagram has no fixed width: horizontal positions are in percent, so that it fits a phone without
scaling, and vertical positions are in pixels. Next to it is a time bar, to scale; a thin line leads
from each moment on the bar to its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from gpgshim.core.transcript import Transcript
from gpgshim.render.show import conclude, no_return, who
from gpgshim.render.terminal import age, cut, duration
from gpgshim.summary.rows import Row
from gpgshim.summary.story import MEANINGS, Event, Kind, Party, Story, Undo, tell

#: If a story has more events, the diagram omits some, and says where.
MOST_EVENTS = 160

# Horizontal, in percent: the ticks' text, the time bar, and the lines from it to the events.
_TICKS, _BAR, _BAR_END, _EVENTS = 10.5, 11.5, 14.0, 19.0
_FIRST, _LAST = 26.0, 93.0  # the lifelines
_GAPS = (1.3, 1.1, 1.0, 1.0)  # distances between lifelines: the first parties have longer names
# Vertical, in pixels.
_TOP, _STEP, _BREAK, _BAND, _LINE, _END = 40, 38, 30, 20, 30, 16
_TICK_EVERY = 44  # at least
_PIECE = 160  # maximum height of a part that is not split between two sheets of paper
#: Pixels of the narrowest diagram that must be readable, and of a wide one.
NARROW, WIDE = 343, 656
_LETTER = 7.3  # width in pixels of one letter, in the typeface of the labels
_LONGEST_NAME = 10  # characters of a party's name, on a narrow page
_CLOCK = 50  # width in pixels of an event's time before its label
#: A pause is marked if it is at least this part of the whole time.
_SILENCE = 0.04


def page(
    transcript: Transcript,
    attempts: Sequence[Row] = (),
    under_way: bool = False,
    now: datetime | None = None,
) -> str:
    """The page, in ASCII. `now` is its time of creation; without it the page has no such time.

    The other parameters are those of show.show. Raises TranscriptError for a transcript that
    contradicts itself.
    """
    story = tell(transcript)
    live = under_way and not story.verdict.told
    state = "under way" if live else str(story.verdict.outcome)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">",
        '<link rel="icon" href="data:,">',
        f"<title>{_text(story.name)}: {state}</title>",
        f"<style>\n{STYLE}</style>",
        "</head>",
        "<body>",
        f"<h1>{_text(story.name)}: {state}</h1>",
        *_conclusion(story, live, now),
        *_facts(story, live),
        *_attempts(attempts, story),
        "<h2>Who said what to whom</h2>",
        _Diagram(story, live, _end(story, live, now)).draw(),
        "<h2 id=words>The same events in words</h2>",
        *_table(story),
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _text(words: str) -> str:
    return escape(words).encode("ascii", "xmlcharrefreplace").decode()


def _end(story: Story, live: bool, now: datetime | None) -> float | None:
    """The end of the diagram's time, in seconds since the job began; None if it is not to scale."""
    if not story.is_to_scale or story.seconds is None:
        return None
    started = story.head.get("started", "")
    if live and now is not None:
        try:
            began = datetime.strptime(started, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            return story.seconds
        return max(story.seconds, (now - began).total_seconds())
    return story.seconds


def _conclusion(story: Story, live: bool, now: datetime | None) -> list[str]:
    out = [f"<p class=true>{_text(' '.join(conclude(story, live)))}</p>"]
    if now is not None:
        made = f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        what = "This is a snapshot: the job went on after" if live else "Made from its journal at"
        out.append(f"<p>{what} {made}.</p>")
    return out


def _facts(story: Story, live: bool) -> list[str]:
    rows = [f"<dt>{_text(key)}</dt><dd>{_text(value)}</dd>" for key, value in story.head.items()]
    if story.seconds is not None and not live:
        rows.append(f"<dt>took</dt><dd>{_text(duration(story.seconds))}</dd>")
    rows.append(f"<dt>signatures</dt><dd>{story.signatures}</dd>")
    return ["<dl>", *rows, "</dl>"]


def _attempts(attempts: Sequence[Row], story: Story) -> list[str]:
    if len(attempts) < 2:
        return []
    out = ["<h2>All attempts of this job</h2>", "<ol>"]
    for row in attempts:
        this = str(row.attempt) == story.head.get("attempt")
        outcome = str(row.outcome or "under way") + (f" ({row.needs})" if row.needs else "")
        signed = f"{row.signatures} signature{'s' * (row.signatures != 1)}"
        words = (
            f"{outcome}{', this one' * this}:"
            f" began {row.began.replace('T', ' ') if row.began else age(row.age) + ' ago'},"
            f" could be retried for {duration(row.retriable)}, {signed}"
        )
        out.append(f"<li value={row.attempt}>{_text(words)}</li>")
    return [*out, "</ol>"]


def _table(story: Story) -> list[str]:
    out = [
        "<table class=events>",
        "<thead><tr><th scope=col>seconds</th><th scope=col>who, and what</th></tr></thead>",
    ]
    last: Undo | None = None
    for number, event in enumerate(story.events):
        if event.undo is not last:
            turn = f"{no_return(story)}<br>" if number == story.no_return else ""
            turn += "committed<br>" if number == story.commitment else ""
            out.append(f"{'</tbody>' if last else ''}<tbody>")
            out.append(
                f'<tr class="{CLASSES[event.undo]}"><th colspan=2 scope=rowgroup>{turn}'
                f"{event.undo}: {_text(MEANINGS[event.undo])}</th></tr>"
            )
            last = event.undo
        clock = "" if event.at is None else _clock(event.at)
        party = _text(who(story, event)).replace("-&gt;", "&rarr;")
        notes = "".join(f"<br><small>{_text(note)}</small>" for note in event.notes)
        out.append(f"<tr><td>{clock}</td><td><b>{party}</b> {_text(event.what)}{notes}</td></tr>")
    return [*out, "</tbody>" if last else "", "</table>"]


#: What could be undone -> the CSS class of its bands.
CLASSES = {
    Undo.RETRIABLE: "u0",
    Undo.ASKING: "u1",
    Undo.UNKNOWN: "u2",
    Undo.REFUSED: "u3",
    Undo.FINAL: "u4",
}


class _Band(NamedTuple):
    """The start of a band in which the same could be undone: pixels, and seconds if to scale."""

    undo: Undo
    top: float
    since: float


class _Diagram:
    """A sequence diagram, drawn downwards. `end` is the end of its time scale, in seconds."""

    def __init__(self, story: Story, live: bool, end: float | None) -> None:
        self.story = story
        self.live = live
        self.end = end if end else None  # a job without length has no scale
        gaps = [0.0, *_GAPS][: len(story.names)]
        self.x = {
            party: _FIRST + (_LAST - _FIRST) * sum(gaps[: number + 1]) / sum(gaps)
            for number, party in enumerate(story.names)
        }
        self.y: float = _TOP
        self.events: list[str] = []
        self.moments: list[tuple[float, float]] = []  # (seconds, pixels) of each event
        self.lines: list[tuple[float, float, str]] = []  # the same for each line across
        self.bands: list[_Band] = []
        self.silences: list[tuple[float, float]] = []  # pixels, from and to
        self.running: dict[int, float] = {}  # gpgs with a grant -> the pixel at which that begins
        self.runs: list[tuple[float, float]] = []
        self.starts: list[float] = []  # pixels at which a part begins that must not be split

    def draw(self) -> str:
        """The complete <figure>."""
        before: Event | None = None
        for number, event in self._chosen():
            self.starts.append(self.y)
            if event is None:
                self._mark_break(f"{number} events are only in the table below")
                continue
            self._mark_silence(before, event)
            self._mark_change(number, event)
            self._draw(event)
            before = event
        if self.live:
            self._mark_now(before)
        self.runs += [(since, self.y) for since in self.running.values()]
        height = self.y + _END
        title = f"Sequence diagram of {self.story.name}"
        last = self.story.events[-1] if self.story.events else None
        desc = (
            f"{len(self.story.events)} events between {', '.join(self.story.names.values())},"
            f" time going down. {'It ends' if last else 'There is nothing'}"
            f"{f' as {last.undo}' if last else ''}. The table below has the same in words."
        )
        drawn = [
            *self._draw_bands(height),
            *self._draw_scale(height),
            *self._draw_lifelines(height),
            *self.events,
            *self._draw_lines(height),
        ]
        return "\n".join(
            [
                "<figure>",
                '<div role="img" aria-labelledby="t" aria-describedby="d">',
                '<svg class="defs" xmlns="http://www.w3.org/2000/svg">',
                f"<title id=t>{_text(title)}</title>",
                f"<desc id=d>{_text(desc)}</desc>",
                f'<defs><g id="all">\n{_MARKS}',
                *drawn,
                "</g></defs></svg>",
                *self._draw_pieces(height),
                "</div>",
                *self._draw_legend(),
                "</figure>",
            ]
        )

    def _draw_pieces(self, height: float) -> list[str]:
        """The drawing in pieces, one below the other; a page break falls between two pieces."""
        out = []
        top = 0.0
        while top < height:
            fits = [y for y in self.starts if top < y <= top + _PIECE]
            bottom = fits[-1] if fits and height - top > _PIECE else height
            # One more pixel, which the next piece covers: otherwise a line would be visible.
            out.append(
                f'<svg class="piece" width="100%" height="{bottom - top + 1:.0f}">'
                f'<use href="#all" y="{-top:.0f}"/></svg>'
            )
            top = bottom
        return out

    def _chosen(self) -> list[tuple[int, Event | None]]:
        """(index, event) of each event to draw; (number, None) for a group of omitted events."""
        events = self.story.events
        if len(events) <= MOST_EVENTS:
            return list(enumerate(events))
        shown = set(range(MOST_EVENTS * 2 // 3))
        shown |= set(range(len(events) - MOST_EVENTS // 3, len(events)))
        for turn in (self.story.no_return, self.story.commitment):
            if turn is not None:
                shown |= set(range(turn - 3, turn + 4))
        out: list[tuple[int, Event | None]] = []
        left_out = 0
        for number, event in enumerate(events):
            if number not in shown:
                left_out += 1
                continue
            if left_out:
                out.append((left_out, None))
                left_out = 0
            out.append((number, event))
        return out

    # Drawing the events, downwards.

    def _mark_break(self, words: str) -> None:
        self.silences.append((self.y, self.y + _BREAK))
        self.events.append(
            f'<text class="b" x="{(_EVENTS + 100) / 2:.1f}%" y="{self.y + 19:.0f}">'
            f"{_text(words)}</text>"
        )
        self.y += _BREAK

    def _mark_silence(self, before: Event | None, event: Event) -> None:
        if self.end is None or before is None or before.at is None or event.at is None:
            return
        silence = event.at - before.at
        if silence >= self.end * _SILENCE and silence >= 0.5:
            self._mark_break(f"{duration(silence)} without a word")

    def _mark_change(self, number: int, event: Event) -> None:
        if self.bands and self.bands[-1].undo is event.undo:
            return
        at = event.at or 0.0
        top = self.y
        if number == self.story.no_return:
            seen = event.undo is Undo.ASKING
            top = self._mark_line(
                at, "n", "point of no return" if seen else "nobody can vouch for it"
            )
        if number == self.story.commitment:
            top = self._mark_line(at, "c", "committed")
        self.bands.append(_Band(event.undo, top, at))
        self.events.append(
            f'<text class="u" x="{_EVENTS + 1}%" y="{self.y + 14:.0f}">{event.undo}</text>'
        )
        self.y += _BAND

    def _mark_line(self, at: float, name: str, words: str) -> float:
        """Draw words and a line across the whole width below them; the pixel of the line."""
        y = self.y + _LINE - 6
        self.lines.append((at, y, name))
        self.events.append(
            f'<text class="{name}" x="{(_EVENTS + 100) / 2:.1f}%" y="{self.y + _LINE - 12:.0f}">'
            f"{_text(words)}</text>"
        )
        self.y += _LINE
        return y

    def _draw(self, event: Event) -> None:
        gpg = f" {event.number}" if event.number else ""
        if event.kind is Kind.ASK:
            caller = Party.DGIT if Party.DGIT in self.x else Party.JOB
            called = event.what.partition("? ")[2] or event.what
            self._arrow(event, caller, Party.GPG, f"{event.by or 'somebody'}: {called}")
            asks = "may I?" if event.what.startswith("may I? ") else "may I sign?"
            self._arrow(event, Party.GPG, Party.SUPERVISOR, f"gpg{gpg}: {asks}")
        elif event.to is not None:
            words = event.what
            if event.kind is Kind.ANSWER:
                words = f"gpg{gpg}: {event.what}"
                if event.what == "go":
                    self.running[event.number] = self.y + _STEP - 12
            self._arrow(event, event.who, event.to, words)
        else:
            words = f"gpg{gpg} {event.what}" if event.who is Party.GPG else event.what
            self._own(event, words)
            if event.number in self.running and event.kind is Kind.ENDED:
                self.runs.append((self.running.pop(event.number), self.y - 12))

    def _arrow(self, event: Event, start: Party, to: Party, words: str) -> None:
        self.starts.append(self.y)
        y = self.y + _STEP - 12
        dashed = " r" if event.kind in (Kind.ANSWER, Kind.REPORT) else ""
        first, last = self.x[start], self.x[to]
        self._label(event, words, (first + last) / 2)
        self.events.append(
            f'<line class="a{dashed}" x1="{first:.1f}%" y1="{y:.0f}"'
            f' x2="{last:.1f}%" y2="{y:.0f}"/>'
        )
        self._note_moment(event, y, min(first, last))

    def _own(self, event: Event, words: str) -> None:
        y = self.y + _STEP - 12
        x = self.x[event.who]
        self._label(event, words, x)
        if event.kind in (Kind.DISK, Kind.OUTCOME):
            shape = f'<svg x="{x:.1f}%" y="{y:.0f}"><rect class="d" x="-5" y="-5"/></svg>'
        else:
            shape = f'<circle class="o" cx="{x:.1f}%" cy="{y:.0f}" r="4"/>'
        self.events.append(shape)
        self._note_moment(event, y, x)

    def _label(self, event: Event, words: str, middle: float) -> None:
        """The label, twice: for a narrow page at the left, for a wide page above its arrow."""
        y = self.y + _STEP - 19
        strong = " k" if event.kind in (Kind.DISK, Kind.OUTCOME, Kind.MESSAGE) else ""
        left = _EVENTS + 1
        room = int((NARROW * (100 - left) / 100 - _CLOCK) / _LETTER)
        self.events.append(
            f'<text class="l s{strong}" x="{left}%" y="{y:.0f}" dx="{_CLOCK}">'
            f"{_text(cut(words, room))}<title>{_text(words)}</title></text>"
        )
        room = int(
            min(middle - left - _CLOCK * 100 / WIDE, 100 - middle) * 2 * WIDE / 100 / _LETTER
        )
        x, dx, anchor = middle, 0, " m"
        if len(words) > room and event.to is None:
            room = int((middle - left - _CLOCK * 100 / WIDE) * WIDE / 100 / _LETTER)
            x, dx, anchor = middle, -12, " x"
        if len(words) > room:
            room = int((WIDE * (100 - left) / 100 - _CLOCK) / _LETTER)
            x, dx, anchor = left, _CLOCK, ""
        self.events.append(
            f'<text class="l w{anchor}{strong}" x="{x:.1f}%" y="{y:.0f}" dx="{dx}">'
            f"{_text(cut(words, room))}<title>{_text(words)}</title></text>"
        )
        if event.at is not None:
            self.events.append(f'<text class="t" x="{left}%" y="{y:.0f}">{_clock(event.at)}</text>')

    def _note_moment(self, event: Event, y: float, x: float) -> None:
        if event.at is not None and self.end is not None:
            self.moments.append((event.at, y))
            self.events.append(
                f'<line class="e" x1="{_EVENTS}%" y1="{y:.0f}" x2="{x:.1f}%" y2="{y:.0f}"/>'
            )
        self.y += _STEP

    def _mark_now(self, before: Event | None) -> None:
        if self.end is not None and before is not None and before.at is not None:
            silence = self.end - before.at
            if silence >= 0.5:
                self._mark_break(f"{duration(silence)} without a word")
        top = self.y
        self.lines.append((self.end or 0.0, self.y + _LINE - 6, "now"))
        words = f"now: waits for {self.story.waits_for}"
        for name, wide in (("s", NARROW), ("w", WIDE)):
            room = int(wide * (100 - _EVENTS) / 100 / _LETTER)
            self.events.append(
                f'<text class="b {name}" x="{(_EVENTS + 100) / 2:.1f}%"'
                f' y="{self.y + _LINE - 12:.0f}">{_text(cut(words, room))}</text>'
            )
        self.y += _LINE
        self.silences.append((top, self.y))

    # The background of the events.

    def _down(self, seconds: float, height: float) -> float:
        """The pixel of a moment on the time scale."""
        assert self.end is not None
        return _TOP + (height - _END - _TOP) * min(1.0, seconds / self.end)

    def _draw_bands(self, height: float) -> list[str]:
        out = []
        ends = [(band.top, band.since) for band in self.bands[1:]]
        for band, (bottom, until) in zip(
            self.bands, [*ends, (height, self.end or 0.0)], strict=True
        ):
            name = CLASSES[band.undo]
            out.append(
                f'<rect class="{name}" x="{_EVENTS}%" y="{band.top:.0f}"'
                f' width="{100 - _EVENTS}%" height="{bottom - band.top:.0f}"/>'
            )
            if self.end is not None:
                top, low = self._down(band.since, height), self._down(until, height)
                for kind in (name, f"p {name}p"):
                    out.append(
                        f'<rect class="{kind}" x="{_BAR}%" y="{top:.1f}"'
                        f' width="{_BAR_END - _BAR}%" height="{max(1.0, low - top):.1f}"/>'
                    )
        return out

    def _draw_scale(self, height: float) -> list[str]:
        if self.end is None:
            return []
        bottom = height - _END
        out = [
            f'<text class="t m" x="{_BAR}%" y="{_TOP - 10}">time</text>',
            f'<rect class="z" x="{_BAR}%" y="{_TOP}" width="{_BAR_END - _BAR}%"'
            f' height="{bottom - _TOP:.0f}"/>',
        ]
        step = choose_step(self.end, int((bottom - _TOP) / _TICK_EVERY))
        for number in range(int(self.end / step + 1e-6) + 1):
            y = self._down(number * step, height)
            out.append(
                f'<line class="g" x1="{_TICKS}%" y1="{y:.1f}" x2="{_BAR}%" y2="{y:.1f}"/>'
                f'<text class="t x" x="{_TICKS - 0.7:.1f}%" y="{y + 3.5:.1f}">'
                f"{_tick(number * step, step)}</text>"
            )
        for at, y in self.moments:
            out.append(
                f'<line class="f" x1="{_BAR_END}%" y1="{self._down(at, height):.1f}"'
                f' x2="{_EVENTS}%" y2="{y:.0f}"/>'
            )
        return out

    def _draw_lifelines(self, height: float) -> list[str]:
        out = []
        for party, x in self.x.items():
            y: float = _TOP - 8
            for top, bottom in [*self.silences, (height, height)]:
                if top > y:
                    out.append(_lifeline(x, y, top, ""))
                if bottom > top:
                    out.append(_lifeline(x, top, bottom, " q"))
                y = bottom
            for name, words in (
                ("s", cut(self.story.names[party], _LONGEST_NAME)),
                ("w", self.story.names[party]),
            ):
                width = len(words) * 6.7 + 3
                out.append(
                    f'<svg class="{name}" x="{x:.1f}%" y="8">'
                    f'<rect class="h" x="{-width / 2:.1f}" y="0" width="{width:.1f}"/>'
                    f'<text class="h" y="16">{_text(words)}</text></svg>'
                )
        gpg = self.x[Party.GPG]
        out += [
            f'<line class="i" x1="{gpg:.1f}%" y1="{top:.0f}" x2="{gpg:.1f}%" y2="{bottom:.0f}"/>'
            for top, bottom in self.runs
        ]
        return out

    def _draw_lines(self, height: float) -> list[str]:
        """The point of no return and similar lines: across the diagram, and on the time scale."""
        out = []
        for at, y, name in self.lines:
            pieces = [("", _EVENTS, y, 100.0, y)]
            if self.end is not None:
                down = self._down(at, height)
                pieces.append((" lead", _BAR_END, down, _EVENTS, y))
                pieces.append(("", _TICKS, down, _BAR_END, down))
            out += [
                f'<line class="{name}{more}" x1="{x1}%" y1="{y1:.1f}" x2="{x2}%" y2="{y2:.1f}"/>'
                for more, x1, y1, x2, y2 in pieces
            ]
        return out

    def _draw_legend(self) -> list[str]:
        scale = (
            "On the left time runs to scale; a thin line leads from each moment to its event."
            if self.end is not None
            else "The journal has no times that a scale could be made of: only the order is shown."
        )
        out = [f"<figcaption><p>{scale}", "A filled square is on disk, and synced.</p>", "<dl>"]
        for undo in dict.fromkeys(band.undo for band in self.bands):
            out.append(
                f'<dt><svg class="key" width="26" height="14" aria-hidden="true">'
                f'<rect class="{CLASSES[undo]}" width="26" height="14"/>'
                f'<rect class="p {CLASSES[undo]}p" width="26" height="14"/></svg> {undo}</dt>'
                f"<dd>{_text(MEANINGS[undo])}</dd>"
            )
        return [*out, "</dl></figcaption>"]


def _lifeline(x: float, top: float, bottom: float, more: str) -> str:
    return f'<line class="v{more}" x1="{x:.1f}%" y1="{top:.0f}" x2="{x:.1f}%" y2="{bottom:.0f}"/>'


#: Steps for a time scale, in seconds; the first ones also in powers of ten below and above.
_STEPS = (1, 2, 5)
_LONG_STEPS = (60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400)


def choose_step(end: float, most: int) -> float:
    """The seconds between ticks, for a scale of `end` seconds with at most about `most` of them."""
    wanted = end / max(1, most)
    if wanted > 30:
        days = 86400.0
        while days < wanted:
            days *= 2
        return next((each for each in map(float, _LONG_STEPS) if each >= wanted), days)
    power = 0.001
    while power * 10 < wanted:
        power *= 10
    return next((power * each for each in _STEPS if power * each >= wanted), power * 10)


def _tick(seconds: float, step: float) -> str:
    if step >= 86400:
        return f"{seconds / 86400:.0f} d"
    if step >= 3600:
        return f"{seconds / 3600:.0f} h"
    if step >= 60:
        return f"{seconds / 60:.0f} m"
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2 if step >= 0.01 else 3
    return f"{seconds:.{digits}f}"


def _clock(seconds: float) -> str:
    return f"{seconds:.3f}" if seconds < 1000 else f"{seconds:.0f}"


_MARKS = """\
<marker id="h" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">
<path d="M0 0 L8 4 L0 8 z"/></marker>
<pattern id="p1" width="6" height="6" patternUnits="userSpaceOnUse">
<path d="M-1 1l2-2M0 6l6-6M5 7l2-2"/></pattern>
<pattern id="p2" width="5" height="5" patternUnits="userSpaceOnUse">
<path d="M0 0l5 5M5 0l-5 5"/></pattern>
<pattern id="p4" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M0 2h5"/></pattern>"""

STYLE = """\
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: #fff; color: #111;
  font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 1.5rem 0 .5rem; }
p { margin: .3rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .8rem; margin: .6rem 0; }
dt { color: #444; }
dd { margin: 0; }
figure { margin: 0; }
figcaption { font-size: .9rem; margin-top: .5rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .4rem;
  border-bottom: 1px solid #bbb; }
.events td { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .8rem; }
.events td:first-child { text-align: right; white-space: nowrap; overflow-wrap: normal; }
thead th { overflow-wrap: normal; }
ol { margin: .3rem 0; }
.true { font-weight: bold; }
.events tbody th { border-top: 3px solid #111; padding-top: .4rem; }
small { font-size: inherit; color: #444; }
svg { display: block; overflow: visible; }
svg.defs { position: absolute; width: 0; height: 0; overflow: hidden; }
svg.piece { overflow: hidden; margin-bottom: -1px; break-inside: avoid; }
svg.key { display: inline-block; vertical-align: -2px; }
text { font: 12px ui-monospace, "DejaVu Sans Mono", monospace; fill: #111; }
.l, .u, .b, .t, text.n, text.c { paint-order: stroke; stroke: #fff;
  stroke-width: 3px; stroke-linejoin: round; }
.k { font-weight: bold; }
.m, .b, text.h, text.n, text.c { text-anchor: middle; }
.x { text-anchor: end; }
.t { font-size: 10.5px; fill: #333; }
.u { font-style: italic; }
.b { fill: #333; font-style: italic; }
text.n, text.c { font-weight: bold; font-size: 13px; }
text.h { font-size: 11px; font-weight: bold; }
rect.h { height: 22px; fill: #fff; stroke: #111; }
rect.d { width: 10px; height: 10px; fill: #111; }
rect.z { fill: none; stroke: #111; }
.o { fill: #fff; stroke: #111; stroke-width: 1.5; }
.a { stroke: #111; stroke-width: 1.5; marker-end: url(#h); }
.a.r { stroke-dasharray: 6 3; }
.v { stroke: #555; }
.v.q { stroke-dasharray: 1 5; }
.i { stroke: #111; stroke-width: 7; stroke-opacity: .55; }
.e { stroke: #999; stroke-dasharray: 1 3; }
.f { stroke: #777; stroke-width: .75; }
.g { stroke: #111; }
line.n { stroke: #111; stroke-width: 3.5; stroke-dasharray: 12 5; }
line.c { stroke: #111; stroke-width: 3.5; }
line.now { stroke: #111; stroke-width: 1.5; stroke-dasharray: 2 3; }
line.lead { stroke-width: 1.75; }
.u0 { fill: #f1faf1; background: #f1faf1; }
.u1 { fill: #fbedc4; background: #fbedc4; }
.u2 { fill: #efdcc4; background: #efdcc4; }
.u3 { fill: #e4e4ee; background: #e4e4ee; }
.u4 { fill: #f0d5d0; background: #f0d5d0; }
pattern path { stroke: #111; stroke-width: .8; }
.p { fill: none; }
.u1p { fill: url(#p1); }
.u2p { fill: url(#p2); }
.u3p { fill: url(#p2); }
.u4p { fill: url(#p4); }
/* What a <use> draws has no <svg> above it: no selector may ask for one. */
.w { display: none; }
@media (min-width: 43rem), print {
  .w { display: inline; }
  .s { display: none; }
}
@media print {
  body { padding: 0; font-size: 10pt; print-color-adjust: exact; }
  tr, h2, figcaption { break-inside: avoid; }
  h2 { break-after: avoid; }
  figcaption { break-before: avoid; }
}
@page { margin: 12mm; }
"""
