"""The workflow behind a release: repositories of the course, then of its students."""
