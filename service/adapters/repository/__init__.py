"""A Git repository on this machine, read and reported to without ever being checked out."""
