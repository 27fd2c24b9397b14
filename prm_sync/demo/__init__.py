"""The demo: an invented company in two emulated systems, and three rounds of the whole cycle over it."""
