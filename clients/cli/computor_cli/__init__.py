"""The computor command: a shell that loads commands lazily."""
