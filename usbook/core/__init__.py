"""Settings, files, tables, intervals and progress: what every other room uses."""
