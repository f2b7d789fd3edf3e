"""A plugin for another core; importing it is a failure of its own."""

raise RuntimeError("a plugin with a wrong version bound must not be imported")
