"""Do the laws of the core bite? Each mutant is the core with one small mistake planted; some test must object."""
