"""What is decided: pure functions of values. `now` and seeds are arguments; nothing here opens a connection."""
