"""Record the product's external interface and compare two recordings, to verify that a renaming changes only names.

    python -m tests.baseline record --out BEFORE [--tree DIR] [--python PATH] [--traces DIR] [--only GROUP,...]
    python -m tests.baseline record --out AFTER --journal BEFORE/journal.jsonl --renames FILE
    python -m tests.baseline compare BEFORE AFTER [--renames FILE] [--strict-texts] [--all]

`record` uses only the command line, the HTTP pages and the files of the product, so it can record any commit: `--tree`
is a checkout, `--python` an interpreter with its dependencies. It writes two files for each group, `GROUP.names.json`
(names and numbers) and `GROUP.texts.json` (wording):

    settings  names, variables, kinds, defaults; the JSON Schema
    rules     the rules of docs/rules.md in their order, with their settings
    tags      tags in the source and in the documentation
    cli       commands and options, by recursive `--help`
    exits     exit codes, and keys of `--json`, of typical calls with a good, a refusing and an unreachable AWS
    metrics   families, types, labels, values of closed labels, as scraped during a minute, and as documented
    api       paths, statuses, JSON keys with their types, values that are names
    log       events, their keys, values that are names
    alerts    alerts, recording rules, dashboards' expressions, CloudWatch alarms
    decide    10,000 seeded situations and their decisions
    replay    a journal of the daemon, and its decisions computed again
    simulate  short days of three generated loads and, with --traces, of three traces

The timing of each run of the daemon differs. So the journal is recorded once, as `journal.jsonl`, and passed to later
recordings with `--journal`; `compare --journal FILE --tree DIR` does the same for the replay alone.

`--renames` is a file of intended renames (format: `renames.py`). `record` applies it to the inputs of the newer tree.
`compare` applies it to the older recording and lists every remaining difference. The exit code is 1 if names or numbers
differ, else 0; wording counts only with `--strict-texts`. Renames without a match are also listed. Recordings are never
committed.
"""
