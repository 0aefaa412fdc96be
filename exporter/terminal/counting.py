"""Take passes without a daemon."""

import dataclasses
import math
import os

from exporter.config.loader import ConfigError
from exporter.flags import Flags
from exporter.kernel.procfs import Procfs, ProcfsError
from exporter.loading import load_names, load_settings
from exporter.logs import configure_logging
from exporter.sampling.sampler import Sampler, without_history
from exporter.status.build import build_status
from exporter.status.context import Context
from exporter.status.history import History
from exporter.status.model import Status
from exporter.terminal.errors import ShowError, UsageError


class OwnPasses:
    """Takes a pass whenever it is asked; a first one has no history. Raises UsageError."""

    def __init__(self, flags: Flags) -> None:
        configure_logging("critical", "logfmt")  # what fails in a pass is in the status
        try:
            settings, procfs = load_settings(flags), Procfs(flags.path_procfs)
        except ConfigError as error:
            raise UsageError(str(error)) from error
        except ProcfsError as error:
            raise UsageError(f"{flags.name_source('--path.procfs')}: {error}") from error
        # No later pass compensates for one that is cut short.
        self._settings = dataclasses.replace(settings, cpu_budget=math.inf)
        self._config_file = flags.config_file
        self._sampler = Sampler(procfs, self._settings, load_names(flags, settings), flags.path_pod_logs)
        self._history = History()

    def take_status(self) -> Status:
        """Return the status at a new pass; raises ShowError."""
        is_first = self._sampler.snapshot is None
        snapshot = self._sampler.take_snapshot()
        if all(table.error for table in snapshot.tables):
            raise ShowError("; ".join(f"{table.table}: {table.error}" for table in snapshot.tables))
        if is_first:
            snapshot = without_history(snapshot)
        self._history.add(snapshot)
        context = Context(self._settings, os.uname().nodename, config_file=self._config_file)
        return build_status(snapshot, self._history.until(snapshot), context)
