"""Places that keep files: a folder, a web server, a branch of a repository."""
