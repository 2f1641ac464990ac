"""The ports: small protocols between Segue and the world, and the values that cross them.

An adapter raises `Retry` (try again after so many seconds) or `Refused` (never, and why) and
nothing else on purpose. "No data" is a value. Long work is started, then observed: `start` returns
at once and is safe to repeat under the same name; `state` says how far it is.
"""
