"""The provider seams: contract classes that plugins subclass, their requests and capabilities."""
