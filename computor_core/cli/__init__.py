"""Operator commands, each loaded by the ``computor`` shell when it is invoked."""
