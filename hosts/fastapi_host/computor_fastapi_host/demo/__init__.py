"""The demo: a whole course, played over HTTP and git against a real host."""
