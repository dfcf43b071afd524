"""Where images come from, one kind of source a file; `registry` lists them by name."""
