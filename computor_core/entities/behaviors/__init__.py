"""What core's entities do beyond the generic, one file per kind of rule."""
