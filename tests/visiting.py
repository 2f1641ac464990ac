"""A visitor of the page: logs in, follows forms as a browser would, and reads what stands there."""

import re
from html import unescape


def words(page):
    """What a person reads on a page: without tags, and with single spaces."""
    body = re.sub(r"<head>.*?</head>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def fields(page, verb):
    """What the page's form for a command sends."""
    found = re.search(rf'<details class="command" id="do-{verb}">.*?</details>', page, re.DOTALL)
    assert found, f"there is no form for {verb}"
    pairs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[0])
    return {name: unescape(value) for name, value in pairs}


class Visitor:
    """One login of a World's person."""

    def __init__(self, world, who="bob"):
        self.world = world
        self.client = world.web.application.test_client()
        self.answer = self.client.post("/-/login", data={"token": world.people[who]})
        assert self.answer.status_code == 303, self.answer.text

    def get(self, path, **more):
        self.answer = self.client.get(path, **more)
        return self.answer

    def text(self, path):
        """What a person reads there."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return words(answer.text)

    def form(self, verb):
        """The fields of the form for a command on the page that was read last."""
        return fields(self.answer.text, verb)

    def press(self, verb, path=None, **changed):
        """Read the page, give its command, and follow to what it was answered."""
        fields = self.form(verb) if path is None else (self.get(path), self.form(verb))[1]
        return self.send({**fields, **changed})

    def send(self, fields):
        """Send a form; what the answer says once the command was obeyed."""
        self.answer = self.client.post("/-/commands", data=fields)
        assert self.answer.status_code == 303, self.answer.text
        where = self.answer.headers["Location"]
        self.world.settle()
        return self.text(where)
