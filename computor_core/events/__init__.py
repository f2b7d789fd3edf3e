"""Events after their commit: waking, ordered handlers, and the in-memory bus."""
