"""Implementations with one mistake each, which the conformance suites must reject.

They test the suites: a mutant that passes, or that fails another test than the one named in its
``rejected_by``, shows a hole in the kit.
"""
