"""Record all that operators and tools rely on, and compare two recordings: a large renaming changes only names.

    python -m tests.baseline record --out BEFORE [--tree DIR] [--python PATH] [--traces DIR] [--only GROUP,...]
    python -m tests.baseline record --out AFTER --journal BEFORE/journal.jsonl --renames FILE
    python -m tests.baseline compare BEFORE AFTER [--renames FILE] [--strict-texts] [--all]

`record` uses the product only through its command line, its HTTP pages and its files, so that one script records any
commit: `--tree` is a checkout, `--python` an interpreter that has its dependencies. It writes two files for each
group, `GROUP.names.json` (names and numbers) and `GROUP.texts.json` (wording):

    settings  names, variables, kinds, defaults; the JSON Schema
    rules     the rules of docs/rules.md in their order, and the settings that govern them
    tags      tags in the source and in the documentation
    cli       commands and options, by recursive `--help`
    exits     exit codes, and keys of `--json`, of typical calls before a good, a refusing and an unreachable AWS
    metrics   families, types, labels, values of closed labels, as served in a minute, and as documented
    api       paths, statuses, JSON keys with their types, values that are names
    log       events, their keys, values that are names
    alerts    alerts, recording rules, dashboards' expressions, CloudWatch alarms
    decide    10,000 seeded situations and what is decided
    replay    a journal of the daemon, decided again
    simulate  short days of three generated loads and, with --traces, of three traces

A run of the daemon differs in time from the next. So the journal is recorded once, as `journal.jsonl`, and given to
later recordings with `--journal`; `compare --journal FILE --tree DIR` does the same for the replay alone.

`--renames` is a file of intended renames (its form: `renames.py`). It translates what is put into the newer tree at
`record`, and the older recording at `compare`, which then lists every difference that is left. The exit code is 1
where names or numbers differ, and 0 otherwise; wording counts only with `--strict-texts`. Renames that match nothing
are listed too. Recordings are never committed.
"""
