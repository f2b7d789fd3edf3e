"""The one error of this tool."""


class MutantsError(Exception):
    """The mutants could not be made or judged; the text says why."""
