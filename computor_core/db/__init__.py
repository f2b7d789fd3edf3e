"""Engine, unit of work and portable column types."""
