"""Business operations with explicit parameters; each opens the units of work that it needs."""
