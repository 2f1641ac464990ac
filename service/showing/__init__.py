"""What is told of releases, as values, words and pictures; pages and terminals only lay it out."""
