"""Exact outcomes: a forward recursion over the states that a scenario's rules can tell apart."""
