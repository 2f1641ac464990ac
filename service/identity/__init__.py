"""Who asks, and what they may: callers, tokens, sessions, the table of addresses, who is one person."""
