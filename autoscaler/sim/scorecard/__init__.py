"""The scorecard: every policy on ten real traces, at three promises, with both kinds of victims; where we lose, too."""
