"""Generates the reference pages (``docs/reference``) from the code, and checks the committed ones.

What the pages say is taken from where it is true: hook specifications, registrations of core and
of the workspace's plugins, settings models, error classes, click commands. Output depends on
nothing else: no dates, no paths of the machine, no settings, no environment.
"""
