"""The one error of this tool."""


class PagesError(Exception):
    """The pages can't be generated; the text says why."""
