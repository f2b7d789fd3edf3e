"""Entities: binding of interface, model and access; the generic service on top."""
