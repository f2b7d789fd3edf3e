"""Durable work: outbox, sequencer, signals, the in-process engine and settlement."""
