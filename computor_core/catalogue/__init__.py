"""Core's own registrations: actions, roles, access rules and entities, as data."""
