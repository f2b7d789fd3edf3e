"""Plugin machinery: discovery, loading, typed registries and provider instances (private)."""
