"""What is stored, and the only code that reads and writes it: the inbox, the engine's store, the series."""
