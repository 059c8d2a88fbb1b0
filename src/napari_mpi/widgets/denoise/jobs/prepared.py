"""What a run tells before its work: device, notices, provenance."""

from typing import Any

from napari_mpi.engine.networks.catalogue import RANDOM_START
from napari_mpi.engine.settings.method import Method
from napari_mpi.widgets.denoise.jobs.asked import Prepared


def prepared(state: Any, method: Method, task: Any) -> Prepared:
    """Return the first thing that a run tells.

    Parameters
    ----------
    state : DenoisingState
        With the result that a layer starts from.
    method : Method
        What was asked for.
    task : Task
        What that leads to.
    """
    from napari_mpi.engine.runtime.devices import describe_device, notices

    told = notices(method.device, task.device)
    if task.weights.name == RANDOM_START:
        told.append("the weights 'none' start at random: slower and less sharp")
    device = describe_device(task.device)
    return Prepared(state.result, device, tuple(told), task.provenance(), state)
