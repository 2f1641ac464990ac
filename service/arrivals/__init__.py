"""What comes from outside: connections to sources, looks at them, comments, deliveries taken in."""
