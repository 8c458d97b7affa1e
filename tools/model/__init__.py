# SPDX-FileCopyrightText: 2026 The gpgshim maintainers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does every order of events of all processes of a job keep the promises, with crashes?

This is a small explicit-state model checker. Run it: `python -m tools.model`.

Rule 1: the model decides nothing. Gate, outcomes, replies and verdicts come from the shipped code:
gate.STEPS, gate.OUTCOMES, o2m.REPLIES, o2m.amount_to, o2m.reply_lines, gate.exit_status and
verdict.judge_bytes. The model has the world around them, and the order of the supervisor's and
repos_server's actions. Each action before which a process can die is a transition.
Rule 2: the promises are facts of the world (the manager may have received the request; a gpg may
sign; these bytes survive), never states of the gate. So a spoilt table cannot spoil its check.
Rule 3: nothing is sampled. All states are visited; a state is a tuple, and is visited once.

The parties are: up to three stunts, up to two programs at the lock of gpg-agent, supervisor, its
watchdog, dgit with its stunt, dgit-repos-server, manager, the disk, and an orphan of the attempt
before.

These simplifications lose no possible sequence of events:

- Stunts in the same state are equal for every table and promise, so a world has the number of
  stunts in each state, not their identities (symmetry).
- A stunt has not been heard yet, waits, or is finished. The time of its start and of its request
  cannot be seen, so its request can arrive whenever the supervisor listens, also after the end of
  the job. The model allows more than can happen, and never less. A granted gpg may have signed at
  any later time (`granted` is a fact that stays), so its end changes nothing.
- The result of a supervisor's death depends only on the state in which it died, and is checked
  there: no later event changes a line, a fact or a message. So all worlds without a supervisor
  are one world.
- When only the outcome is still to be settled and reported, data that no process reads any more
  are removed (`tidy`).
- A command that signs, at the lock of gpg-agent (lock.py), is one more client, and what the agent
  does with it cannot be seen before its answer: `made` and `open` are how many signatures it has
  made, and may yet make. The settings with a lock are those with `held` commands.
- The orphan of the attempt before and this attempt do not affect each other, so their states form
  a product. The orphan is part of the small worlds, and not of the largest.

The disk keeps all synced bytes, any part of the bytes written later, and half a line. This is no
transition but a check of every state: `images` are the journals that a crash of the machine can
leave, and each of them must give a true outcome.

The orphan of the attempt before has that attempt's directory first on its PATH. So it sends its
request there: to a closed gate, or to no gate. It is never a client of this attempt. A spoilt shell
(`SPOILT`), in which both attempts share one directory, shows that this is necessary.

In the end the product is spoilt in one place at a time (`mutants`). Each mutant must be found by a
promise here, or by a named test (`NAMED`). Mutants that change no behaviour are in `EQUIVALENT`,
with the reason.

Several attempts of one job at the same moment are a second model, because a product of two of these
would be too large. lives.py takes from this model what others can see of an attempt; rivals.py has
the claim to the job's name, the look at earlier attempts, and a person who resolves one.

Read state.py first, then promises.py, shell.py, lock.py and moves.py. walk.py visits all states;
mutants.py and fates.py show that each promise can fail. Then rivals.py; rivalfates.py is what
fates.py is.
"""
