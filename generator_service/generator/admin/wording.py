"""The panel's languages: gettext catalogues for texts and plurals, Babel for numbers, sizes, durations and dates.

English is written in the code and the pages; `locale/<language>.po` translates it. A test finds what is missing.
"""

import io
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import format_datetime, format_time, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_compact_decimal, format_decimal, format_percent
from babel.support import NullTranslations, Translations

LOCALES = Path(__file__).parent / "locale"
LANGUAGES = {"en": "English", "ru": "Русский"}
DASH = "–"


@dataclass(frozen=True)
class Wording:
    """One language. Values that are None (not known, not yet) are written as a dash."""

    language: str
    locale: Locale
    texts: NullTranslations

    def __call__(self, text: str, **values: object) -> str:
        """Translate a text; `%(name)s` in it is replaced."""
        translated = str(self.texts.ugettext(text))
        return translated % values if values else translated

    def count(self, one: str, many: str, number: int) -> str:
        """Translate a text that depends on a number, which stands in it as `%(num)s`."""
        return str(self.texts.ungettext(one, many, number)) % {"num": self.number(number)}

    def number(self, value: float | None) -> str:
        return DASH if value is None else str(format_decimal(value, locale=self.locale))

    def short_number(self, value: float | None) -> str:
        """Write 12,345 as 12K: for axes and tiles."""
        if value is None:
            return DASH
        return str(format_compact_decimal(value, fraction_digits=1, locale=self.locale))

    def percent(self, share: float | None) -> str:
        """Write a share of 1 as a percentage with one decimal."""
        return DASH if share is None else str(format_percent(share, "#,##0.#%", locale=self.locale))

    def size(self, count: float | None) -> str:
        """Write a number of bytes in the unit that suits it (powers of 1,000, as disks are sold)."""
        if count is None:
            return DASH
        units = [self("bytes"), self("kB"), self("MB"), self("GB"), self("TB")]
        power = 0
        while count >= 1000 and power < len(units) - 1:
            count, power = count / 1000, power + 1
        digits = "#,##0.#" if power and count < 100 else "#,##0"
        return f"{format_decimal(count, digits, locale=self.locale)}\u00a0{units[power]}"

    def milliseconds(self, value: float | None) -> str:
        """Write a duration given in milliseconds: 31 ms, 2.4 s, 3 min."""
        if value is None:
            return DASH
        if value < 1000:
            return f"{format_decimal(round(value), locale=self.locale)}\u00a0{self('ms')}"
        if value < 60_000:
            return f"{format_decimal(value / 1000, '#,##0.#', locale=self.locale)}\u00a0{self('s')}"
        if value < 3_600_000:
            return f"{format_decimal(value / 60_000, '#,##0.#', locale=self.locale)}\u00a0{self('min')}"
        return f"{format_decimal(value / 3_600_000, '#,##0.#', locale=self.locale)}\u00a0{self('h')}"

    def moment(self, value: int | str | None) -> str:
        """Write a moment (epoch milliseconds or RFC 3339) in full, in UTC."""
        at = moment(value)
        return DASH if at is None else str(format_datetime(at, "d MMM y, HH:mm:ss", locale=self.locale)) + " UTC"

    def clock(self, value: int | str | None) -> str:
        """Write a moment's time of day with milliseconds, in UTC: timelines need no day."""
        at = moment(value)
        return DASH if at is None else str(format_time(at, "HH:mm:ss.SSS", locale=self.locale))

    def hour(self, value: int | str | None) -> str:
        """Write a moment's time of day, in UTC: for what is minutes away."""
        at = moment(value)
        return DASH if at is None else str(format_time(at, "HH:mm:ss", locale=self.locale)) + " UTC"

    def ago(self, value: int | str | None, now: datetime | None = None) -> str:
        """Write how long ago a moment was, or how long until it."""
        at = moment(value)
        if at is None:
            return DASH
        distance = at - (now or datetime.now(UTC))
        if abs(distance.total_seconds()) < 2:
            return self("just now")
        return str(format_timedelta(distance, add_direction=True, threshold=1.5, locale=self.locale))


def moment(value: int | str | None) -> datetime | None:
    """Read epoch milliseconds or RFC 3339, as UTC; None for neither."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    return datetime.fromtimestamp(value / 1000, UTC)


def is_past(value: int | str | None) -> bool:
    """Tell whether a moment is over; there is none that could be if the value is None or empty."""
    at = moment(value)
    return at is not None and at <= datetime.now(UTC)


def choose_language(cookie: str | None, accept_language: str) -> str:
    """Return the language of a request: the one chosen in the panel, else the browser's first that we have."""
    if cookie in LANGUAGES:
        return cookie
    for wanted in accept_language.lower().split(","):
        primary = wanted.strip().partition(";")[0].partition("-")[0]
        if primary in LANGUAGES:
            return primary
    return "en"


@cache
def wording(language: str) -> Wording:
    """Load a language of LANGUAGES."""
    locale = Locale.parse("en_GB" if language == "en" else language)
    catalogue = LOCALES / f"{language}.po"
    if not catalogue.exists():
        return Wording(language, locale, NullTranslations())
    compiled = io.BytesIO()
    with catalogue.open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return Wording(language, locale, Translations(compiled))
