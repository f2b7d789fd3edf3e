"""Breaks the code and its declarative tables on purpose, and says which breaks no test notices.

Two kinds of mutant: *code* mutants change an operator, a constant or an argument inside a
function (made and run by mutmut), *row* mutants take one row out of what core registers: an
action out of a role, a branch or a condition out of an access rule, a rule out of a reference.
``targets.toml`` names what is broken and which tests must notice. Everything runs in a copy of
the tree.
"""
