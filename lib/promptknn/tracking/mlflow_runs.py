"""Each run of a stage as a run of MLflow: settings, counts, figures and pictures."""

import json
import logging
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from promptknn.errors import EnvironmentMissingError, MissingInputError, reason
from promptknn.stage import StageRun
from promptknn.tracking.settings import TrackingSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

# What MLflow takes in a name, and how much in one call and one value.
_REFUSED = re.compile(r"[^\w\-. /]+")
_PARAMETERS_A_CALL, _LONGEST_PARAMETER = 100, 500


class MlflowRuns:
    """An experiment in MLflow."""

    def __init__(self, client: "MlflowClient", experiment: str) -> None:
        """Log to an experiment, by its id."""
        self._client = client
        self._experiment = experiment

    @classmethod
    def of(cls, settings: TrackingSettings) -> "MlflowRuns | None":
        """Open the experiment, made where it is missing; None where nothing is to be logged.

        Raises:
            EnvironmentMissingError: MLflow is not installed.
            MissingInputError: there is no tracking store at the URI.
        """
        if settings.mlflow is None:
            return None
        if find_spec("mlflow") is None:
            raise EnvironmentMissingError(
                "`tracking.mlflow` needs MLflow: install promptknn[mlflow], or set it to null."
            )
        from mlflow import MlflowClient

        try:
            client = MlflowClient(tracking_uri=settings.mlflow)
            known = client.get_experiment_by_name(settings.experiment)
            experiment = (
                known.experiment_id if known else client.create_experiment(settings.experiment)
            )
        # Each kind of store has exceptions of its own.
        except Exception as error:
            raise MissingInputError(
                f"MLflow has no experiment '{settings.experiment}' at {settings.mlflow} "
                f"({reason(error).rstrip('.')}): check `tracking.mlflow` and `tracking.experiment`."
            ) from error
        return cls(client, experiment)

    def log(self, run: StageRun) -> None:
        """Log a run. A store that fails now costs a warning, not the work that is done."""
        try:
            self._log(run)
        except Exception as error:
            logging.getLogger(__name__).warning(
                "%s is not logged in MLflow (%s); job_runs has it.", run.stage, reason(error)
            )

    def _log(self, run: StageRun) -> None:
        from mlflow.entities import Param

        tags = {"stage": run.stage, "promptknn_run_id": run.run_id}
        if run.counts.message:
            tags["message"] = run.counts.message
        if run.error:
            tags["error"] = run.error
        started = self._client.create_run(self._experiment, run_name=run.stage, tags=tags)
        place = started.info.run_id
        tree = json.loads(run.settings)
        parameters = [Param(key, text[:_LONGEST_PARAMETER]) for key, text in _flat(tree).items()]
        for first in range(0, len(parameters), _PARAMETERS_A_CALL):
            part = parameters[first : first + _PARAMETERS_A_CALL]
            self._client.log_batch(place, params=part)
        for name, value in _metrics(run).items():
            self._client.log_metric(place, name, value)
        self._client.log_dict(place, tree, "settings.json")
        for picture in run.counts.pictures:
            self._client.log_artifact(place, str(picture))
        self._client.set_terminated(place, status="FAILED" if run.error else "FINISHED")


def _metrics(run: StageRun) -> dict[str, float]:
    counts = run.counts
    own = {
        "rows_in": counts.rows_in,
        "rows_out": counts.rows_out,
        "rows_rejected": counts.rows_rejected,
        "seconds": run.seconds,
    }
    return own | {" ".join(_REFUSED.sub(" ", k).split()): v for k, v in counts.figures.items()}


def _flat(tree: Mapping[str, object], above: str = "") -> dict[str, str]:
    """Write a tree as `a.b: text`; lists stay whole, as JSON."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{above}{key}.")
        else:
            flat[above + key] = value if isinstance(value, str) else json.dumps(value)
    return flat
