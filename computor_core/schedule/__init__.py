"""The schedule engine: pure functions from dates and attempts to a window; no I/O."""

from computor_core.schedule.engine import Reason, Schedule, Window, WindowState, evaluate

__all__ = ["Reason", "Schedule", "Window", "WindowState", "evaluate"]
