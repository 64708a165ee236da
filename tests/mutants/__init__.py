"""Mutation tests of the core: each mutant is the core with one small change, and at least one test must fail on it."""
