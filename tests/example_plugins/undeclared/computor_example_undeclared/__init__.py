"""A plugin installed without its dependencies; it must not be imported."""

raise RuntimeError("a plugin with an unmet requirement must not be imported")
