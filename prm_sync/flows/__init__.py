"""What is done: one verb, one file. Each flow takes the app and returns a typed report."""
