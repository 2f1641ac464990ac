"""Effects meet ports here: one small function per effect, from a stored value to its answer.

Long work is started, then observed: `Again` asks to be called once more later. Nothing is decided
here; a port's `Retry` goes through to the queue, its `Refused` becomes the answer `EffectFailed`.
"""
