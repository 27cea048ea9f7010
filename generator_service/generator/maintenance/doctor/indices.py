"""Do the indices say what the rows of users and keys say: who has an e-mail, who is an admin, whose a key is?"""

from collections.abc import AsyncIterator, Collection, Sequence

from backends.accounts import active_admin
from backends.inspection import Mode
from contracts.users import UserRow
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores


class Indices:
    name = "indices"
    title = "indices of users and keys"
    flaws = {
        "email_unlisted": Flaw("users whose e-mail is free to be taken", "listed with their e-mail"),
        "email_twice": Flaw("users whose e-mail another user has, too"),
        "email_of_nobody": Flaw("e-mails kept for users who do not have them", "set free"),
        "admin_unlisted": Flaw(
            "users who are admins in their row or in the list, but not in both", "listed as in the row"
        ),
        "admin_of_nobody": Flaw("admins who are no users any more", "taken from the list"),
        "key_unlisted": Flaw("keys that are missing in their user's list", "listed"),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        async for subjects in self._subjects(only):
            for subject, flaw in (await self._judge("look", subjects)).items():
                yield Finding(flaw, subject)

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        await self._judge("mend", [finding.subject for finding in findings])
        return [MENDED for _ in findings]

    async def _subjects(self, only: Collection[str] | None) -> AsyncIterator[list[str]]:
        """Go through these, or through all e-mails, admins, keys and users, each as `<kind>:<name>`."""
        if only is not None:
            yield list(only)
            return
        for kind in ("email", "key", "user"):
            async for names in self._stores.redis.names(f"{kind}:*"):
                yield names
        yield [f"admin:{id_}" for id_ in await self._stores.redis.members("admins")]

    async def _judge(self, mode: Mode, subjects: Sequence[str]) -> dict[str, str]:
        found = dict[str, str]()
        for kind in ("email", "admin", "key"):
            names = [name for of_kind, _, name in (s.partition(":") for s in subjects) if of_kind == kind]
            flaws = await self._stores.redis.indices(mode, kind, names)
            found |= {f"{kind}:{name}": flaw for name, flaw in flaws.items()}
        return found | await self._judge_users(mode, [name for name in subjects if name.startswith("user:")])

    async def _judge_users(self, mode: Mode, names: Sequence[str]) -> dict[str, str]:
        rows = [text for (text,) in await self._stores.redis.fields(names, "row") if text]
        users = [row for text in rows if not (row := UserRow.model_validate_json(text)).deleted]
        listed = [(str(row.user_id), str(row.version), int(active_admin(row))) for row in users]
        return {f"user:{id_}": flaw for id_, flaw in (await self._stores.redis.accounts(mode, listed)).items()}
