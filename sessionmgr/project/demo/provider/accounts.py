"""Who has an account at the provider, and who of them may use it."""

from hmac import compare_digest
from typing import NamedTuple
from uuid import NAMESPACE_DNS, uuid5

from sessionmgr.project.demo.people import PEOPLE


class Account(NamedTuple):
    """A person as the provider knows them. The subject tells apps nothing, and never changes."""

    name: str
    email: str
    groups: tuple[str, ...]

    @property
    def subject(self) -> str:
        return uuid5(NAMESPACE_DNS, f"{self.name}.demo-provider").hex

    @property
    def claims(self) -> dict[str, object]:
        """Return what the provider tells apps about the person."""
        return {
            "sub": self.subject,
            "email": self.email,
            "email_verified": True,
            "name": self.name.capitalize(),
            "preferred_username": self.name,
            "groups": list(self.groups),
        }


class Accounts:
    """All accounts, with those that are disabled (no use at all) or blocked (no sign-in)."""

    def __init__(self) -> None:
        self.everybody = [Account(who.name, who.email, who.groups) for who in PEOPLE]
        self.disabled: set[str] = set()
        self.blocked: set[str] = set()
        self._passwords = {who.name: who.password for who in PEOPLE}

    def named(self, name: str) -> Account | None:
        """Return the account of that name or e-mail address."""
        return next((each for each in self.everybody if name in (each.name, each.email)), None)

    def with_subject(self, subject: object) -> Account | None:
        return next((each for each in self.everybody if each.subject == subject), None)

    def authenticate(self, name: str, password: str) -> Account | None:
        """Return whose name and password these are."""
        account = self.named(name.strip().lower())
        expected = self._passwords[account.name] if account else ""
        is_right = compare_digest(password.encode(), expected.encode())
        return account if is_right else None

    def may_use(self, account: Account) -> bool:
        """Return whether what the account has been given still counts."""
        return account.name not in self.disabled

    def may_sign_in(self, account: Account) -> bool:
        """Return whether the account may sign in, or renew a sign-in."""
        return self.may_use(account) and account.name not in self.blocked
