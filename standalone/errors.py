"""Why `presswork` ends without having done what was asked. The message says what to do; the CLI prints it to stderr."""


class StandaloneError(Exception):
    """The command failed."""

    exit_code = 1


class UsageError(StandaloneError):
    """An option or a PRESSWORK_ variable has a value that cannot be."""

    exit_code = 2


class StartRefused(StandaloneError):
    """Something on this machine stands in the way: a taken port, a used data directory, an unsafe Redis."""


class GaveUp(StandaloneError):
    """A child does not stay up."""
