"""The example formats that core brings; others come as plugins."""
