"""What a policy would have done: the real core in virtual time, beside its peers and beside the physical limit.

The simulator implements the ports; production knows nothing of it. Law: equal settings and seed, equal outcome, to
the last bit.
"""
