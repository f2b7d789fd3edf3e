"""The routes that entities' registrations stand for: made, found and documented here."""

from computor_fastapi_host.entity_routes.operations import EntityOperation, entity_operations
from computor_fastapi_host.entity_routes.routing import EntityRoutes

__all__ = ["EntityOperation", "EntityRoutes", "entity_operations"]
