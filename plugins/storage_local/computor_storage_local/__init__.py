"""Content-addressed file storage for Computor."""
