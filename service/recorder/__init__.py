"""The recorder: a small process between the router and models, only where a policy asks for it.

It passes requests and answers on, notes who answered what, and pairs a version's answers with those that
a candidate gives to copies. It opens no store and imports none of Segue's heavy parts: what it notes are
small files, which the observer takes in. Whatever goes wrong with noting, the answer goes on.
"""
