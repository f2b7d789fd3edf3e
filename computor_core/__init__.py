"""Framework library for university programming courses.

Importing the package loads nothing heavy: plugins, models and settings load when a
:class:`computor_core.app.Computor` is built.
"""

__version__ = "0.1.0"
