"""Why a status cannot be shown."""


class ShowError(Exception):
    """There is nothing to show; the text says why."""


class UsageError(ShowError):
    """A flag, a file or an address has to be changed."""
