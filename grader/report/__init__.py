"""Reports: each module writes a Grade in one format, and runs nothing."""
