# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentences about a job that the terminal and the page share.

Rule 1: pure: a story in, sentences out.
"""

from __future__ import annotations

from gpgshim.render.terminal import duration
from gpgshim.summary.events import Party
from gpgshim.summary.story import Story, StoryEvent, Undo

NO_RETURN = "point of no return: the job is never called retriable again"
#: Used if a signature bypassed the gate, or the journal is torn: the time is unknown.
UNSEEN = "from here on the state is not known: never called retriable"
COMMITMENT = "committed: signatures can be made, and are not taken back"


def conclude(story: Story, under_way: bool) -> list[str]:
    """What is true of the job, one sentence for each line."""
    verdict = story.verdict
    meaning = f"{verdict.outcome}: {verdict.meaning}."
    if under_way and not verdict.told:
        return [
            f"The job is under way, and waits for {story.waits_for}.",
            "The journal has no outcome yet. If the job stopped now, its outcome would be",
            meaning,
        ]
    out = [] if verdict.told else ["The journal has no outcome. From its lines, the outcome is"]
    if resolved := verdict.resolved:
        note = f": {resolved.note}" if resolved.note else "."
        when = f"{resolved.who} resolved it at {resolved.when} as {resolved.result}{note}"
        return [*out, meaning, how_long(story), when]
    return [*out, meaning, how_long(story)]


def how_long(story: Story) -> str:
    """The time for which the job could be retried, in one sentence."""
    if story.verdict.would:
        return "The job was only observed: its events say what a gate would have done."
    if story.no_return is None:
        length = "" if story.seconds is None else f" of its {duration(story.seconds)}"
        return f"The job could be retried at any moment{length}."
    if story.bypassed:
        return "It is not known until when the job could be retried: a signature bypassed the gate."
    first = "" if story.retriable is None else f" for its first {duration(story.retriable)},"
    if is_request_seen(story):
        return f"The job could be retried{first} until the request to commit was sent."
    return f"The job could be retried{first} up to the point after which the state is not known."


def no_return(story: Story) -> str:
    """The text at the point of no return, for a story that has one."""
    return NO_RETURN if is_request_seen(story) else UNSEEN


def is_request_seen(story: Story) -> bool:
    """Whether the point of no return is a request to commit that is in the journal."""
    return story.events[story.no_return or 0].undo is Undo.ASKING


def who(story: Story, event: StoryEvent) -> str:
    """The party of an event and its recipient: `supervisor -> manager`, `gpg 2 -> supervisor`."""
    first = party_name(story, event.who, event.number)
    return first if event.to is None else f"{first} -> {party_name(story, event.to, event.number)}"


def party_name(story: Story, party: Party, number: int) -> str:
    """A party's name: `supervisor`, `gpg 2`. `number` is that of the gpg, or 0."""
    return f"gpg {number}" if party is Party.GPG and number else story.names[party]
