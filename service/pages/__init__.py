"""The web page: what the API shows, as HTML that a person reads, and the commands that people give.

Rendered here and whole without JavaScript. It only reads; what people want done is stored in the inbox,
as everywhere else.
"""
