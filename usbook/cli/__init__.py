"""The command line; `usbook --help` lists the commands."""
