"""Sample workflows that the engines' conformance suite and the kill tests run."""
