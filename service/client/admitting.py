"""Who is let in and who may do what, asked and said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from service.client.admitted import Changed, Grant, Link, Login, Made, Me, Person, Role, Token
from service.client.asking import Asking, Given, part, said
from service.client.rows import Rows


@dataclass(frozen=True, slots=True)
class Admitting(Asking):
    """Tokens, logins, roles and people."""

    def me(self) -> Me:
        """Whose token it is, and what it may do where."""
        return cast("Me", self._get("me"))

    def login_link(self) -> Link:
        """A `link` that opens the page logged in, once, within so many `seconds`."""
        return cast("Link", self._door.post(f"{self.web}/api/v1/links", None))

    def tokens(self) -> Rows[Token]:
        """Tokens, by name; without the right to let others in, one's own."""
        return self._rows("tokens", "after", {})

    def make_token(self, name: str, roles: Sequence[Grant], expires: float) -> Made:
        """A token of a name that none has, until then, in Unix seconds. It is in this answer and nowhere
        else: where that is lost, end it and make another."""
        told = {"name": name, "roles": list(roles), "expires": expires}
        return cast("Made", self._door.post(f"{self.web}/api/v1/tokens", None, json=told))

    def end_token(self, name: str) -> None:
        """End a token, and with it its logins and links."""
        self._door.delete(f"{self.web}/api/v1/tokens/{part(name)}", {})

    def logins(self) -> Rows[Login]:
        """Who is logged in to the page; without the right to let others in, one's own."""
        return self._rows("logins", "after", {})

    def end_logins(self, holder: str) -> int:
        """End the logins of a holder, as `token:ann` or `oidc:ann`; how many there were."""
        return int(self._door.delete(f"{self.web}/api/v1/logins/{part(holder)}", {})["ended"])

    def grants(self) -> Rows[Role]:
        """Roles of logins and groups."""
        return self._rows("grants", "after", {})

    def give_role(self, who: str, role: str, on: str) -> Changed:
        """Give a login or a group a role. One that it has already is not given twice."""
        told = {"who": who, "role": role, "on": on}
        return cast("Changed", self._door.post(f"{self.web}/api/v1/grants", None, json=told))

    def take_back_role(self, who: str, role: Given = None, on: Given = None) -> Changed:
        """Take a role back, or every role."""
        return cast(
            "Changed", self._door.delete(f"{self.web}/api/v1/grants", said(who=who, role=role, on=on))
        )

    def persons(self) -> Rows[Person]:
        """Which accounts are one person's."""
        return self._rows("persons", "after", {})

    def name_accounts(self, person: str, accounts: Sequence[str]) -> Person:
        """Say which accounts are one person's, in place of what was said before."""
        url = f"{self.web}/api/v1/persons/{part(person)}"
        return cast("Person", self._door.put(url, json={"accounts": list(accounts)}))

    def forget_person(self, person: str) -> None:
        """Forget which accounts are one person's."""
        self._door.delete(f"{self.web}/api/v1/persons/{part(person)}", {})
