"""The first start, and every start after it: the schema is there, Redis holds the complete set, there is an admin.

Until `prepared` is set the service answers 503: it must not invent an admin because history is away, nor promise what
Redis may forget.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from app.services.users import UserService
from backends.accounts import Accounts
from backends.history_accounts import HistoryAccounts
from backends.redis_safety import RedisRefused, UnsafeRedis
from contracts.errors import HistoryUnavailable, PressworkError, TransientError
from contracts.users import UserRow

log = structlog.get_logger(__name__)

FIRST_ADMIN_EMAIL = "admin@presswork.local"
FIRST_ADMIN_NAME = "Administrator"


#: How often a running service looks whether Redis still holds the complete set.
LOOK_S = 2.0
#: Between two tries of a step.
FIRST_DELAY_S, LONGEST_DELAY_S = 0.2, 3.0
TABLES_S = 5.0


class NoAdminKey(PressworkError):
    """There is no admin yet and PRESSWORK_ADMIN_KEY is empty: set it to a key, e.g. from `presswork keys new`."""


class Bootstrap:
    def __init__(
        self,
        accounts: Accounts,
        users: UserService,
        history: HistoryAccounts,
        migrate: Callable[[], Awaitable[object]],
        admin_key: str,
        require_safe_redis: Callable[[], Awaitable[None]],
        bring_back: Callable[[], Awaitable[Mapping[str, int]]],
    ) -> None:
        self._accounts = accounts
        self._users = users
        self._history = history
        self._migrate = migrate
        self._admin_key = admin_key
        self._require_safe_redis = require_safe_redis
        self._bring_back = bring_back
        self._redis_judged = False
        self.unsafe_redis = False
        self.prepared = asyncio.Event()
        self.migrated = asyncio.Event()
        #: Whether it is known by now if this process can serve: before, its port stays closed.
        self.tried = asyncio.Event()

    async def run(self) -> None:
        """Prepare to serve, and again whenever Redis has lost the set. Runs until cancelled."""
        while True:
            await self.prepare()
            await asyncio.sleep(LOOK_S)
            try:
                if not await self._accounts.populated():
                    log.error("accounts.lost")
                    self.prepared.clear()
            except TransientError as error:
                log.debug("bootstrap.queue_away", error=error.message)

    async def prepare(self) -> None:
        """Prepare to serve; while a server is away, keep trying. A set that is complete does not wait for history."""
        await asyncio.gather(self._done(self._schema, self.migrated), self._done(self._serving_set, self.prepared))

    async def _done(self, step: Callable[[], Awaitable[None]], done: asyncio.Event) -> None:
        """Repeat a step until it has succeeded."""
        delay = FIRST_DELAY_S
        while not done.is_set():
            try:
                await step()
                done.set()
            except UnsafeRedis as error:
                self.unsafe_redis = True
                log.error("redis.unsafe", error=error.message)
            except (TransientError, NoAdminKey, RedisRefused) as error:
                log.warning("bootstrap.waiting", step=step.__name__.strip("_"), error=error.message)
            except Exception:
                # A bug, but the service must say so and go on trying: nobody reads what a task dies of.
                log.exception("bootstrap.failed", step=step.__name__.strip("_"))
            if done is self.prepared:
                self.tried.set()
            if not done.is_set():
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_DELAY_S)

    async def _schema(self) -> None:
        await self._migrate()
        log.info("schema.migrated")

    async def _serving_set(self) -> None:
        if not self._redis_judged:
            await self._require_safe_redis()
            self._redis_judged, self.unsafe_redis = True, False
        if not await self._accounts.populated():
            await self._tables()
            users, others = await self._history.users(), await self._bring_back()
            await self._accounts.populate(users, await self._history.keys())
            log.info("accounts.populated", users=sum(not row.deleted for row in users), **others)
        await self._ensure_admin()

    async def _tables(self) -> None:
        """Wait until the tables are there. Raises HistoryUnavailable if that takes long."""
        try:
            async with asyncio.timeout(TABLES_S):
                await self.migrated.wait()
        except TimeoutError:
            raise HistoryUnavailable() from None

    async def _ensure_admin(self) -> None:
        admin = await self._first_admin()
        if self._admin_key and admin is not None:
            if await self._users.add_key(None, admin.user_id, self._admin_key, name="PRESSWORK_ADMIN_KEY"):
                log.info("admin.key_registered", user_id=str(admin.user_id))

    async def _first_admin(self) -> UserRow | None:
        """Find the bootstrap admin, or make it if there is no admin at all; None if the operator has removed it."""
        found = await self._accounts.user_by_email(FIRST_ADMIN_EMAIL)
        if found is not None:
            return found if found.role == "admin" else None
        if await self._accounts.admins():
            return None
        if not self._admin_key:
            raise NoAdminKey()
        return await self._users.create(None, email=FIRST_ADMIN_EMAIL, name=FIRST_ADMIN_NAME, role="admin")
