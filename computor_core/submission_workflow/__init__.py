"""The workflow behind every submission: queue the test, wait for the report, record the result."""
