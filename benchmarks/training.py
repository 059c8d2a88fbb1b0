"""Pre-training by the clock, judged on held-out images: the long run, and its curves.

The learning rate stays where it is and the weights are averaged, so that a run can be
cut off anywhere and prolonged anywhere; what ships is cooled down from it in a run of
its own, whose rate falls to nothing.
"""

import copy
import dataclasses
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from judge import Judge, write_row
from napari_mpi.engine.networks.weight_files import save_weights
from napari_mpi.engine.pretraining.images import TrainingImages, read_training_images
from napari_mpi.engine.pretraining.pretrain import pretrain, pretrained_weights
from napari_mpi.engine.pretraining.state import PretrainingState
from napari_mpi.engine.runtime.errors import DivergenceError
from napari_mpi.engine.runtime.jobs import run as run_job

ENDLESS = 10_000_000  # steps: the clock ends a run
LOOKS = 12  # at the held-out images, in one stretch of a run


@dataclasses.dataclass
class Stretch:
    """A stretch of training on one device, and where its log goes.

    Parameters
    ----------
    images : TrainingImages
        To train on.
    judge : Judge
        Held-out images, on the device.
    device : str
        'cpu', 'cuda'.
    log : Path
        Table that gets a row for every look.
    name : str
        Of the weights, in the table.
    compiles : bool
        Whether the network is compiled first; needs a C compiler, and Triton on a GPU.
    """

    images: TrainingImages
    judge: Judge
    device: str
    log: Path
    name: str
    compiles: bool = False

    def go_on(self, state: PretrainingState, seconds: float) -> float:
        """Train for so long at a constant rate; returns steps per second."""
        config = dataclasses.replace(
            state.config, schedule="constant", cooldown=0, iterations=ENDLESS
        )
        state.config, first, began = config, state.step, time.monotonic()
        for spent in self._looked_at(state, seconds / LOOKS):
            if spent >= seconds:
                break
        return (state.step - first) / (time.monotonic() - began)

    def cool_down(
        self, state: PretrainingState, steps: int, after: int | None = None
    ) -> PretrainingState:
        """Return what a copy of the state comes to while its rate falls to nothing.

        With ``after``, it first goes on at a constant rate, until that step ends it.
        """
        cooled = copy.deepcopy(state)
        cooled.config = dataclasses.replace(
            state.config,
            schedule="constant",
            cooldown=steps,
            iterations=state.step + steps if after is None else after,
            final_learning_rate=1e-6,
        )
        for _ in self._looked_at(cooled, 20 if after is None else 120):
            pass
        self._look(cooled)
        return cooled

    def _looked_at(self, state: PretrainingState, every: float) -> Iterator[float]:
        """Train on, look now and then; yields seconds spent, looks left out."""
        spent, due = 0.0, every
        if self.compiles:
            state.network.compile()
        while not state.is_complete:
            job = pretrain(self.images, state.network_config, state.config,
                           device=self.device, state=state)  # fmt: skip
            try:
                with closing(job):
                    started = time.monotonic()
                    for _ in job:
                        spent += time.monotonic() - started
                        if spent >= due:
                            self._look(state)
                            due += every
                        yield spent
                        started = time.monotonic()
            except DivergenceError as error:  # the state is the last good one
                rate = state.config.learning_rate / 2
                print(f"{error}: goes on at {rate:.2g}", flush=True)
                state.config = dataclasses.replace(state.config, learning_rate=rate)

    def _look(self, state: PretrainingState) -> None:
        device = next(state.averaged.parameters()).device
        found = self.judge.to(device).psnr(state.averaged)
        row = {
            "weights": self.name,
            "step": state.step,
            "crops": state.step * state.config.batch_size,
            "seconds": round(state.seconds, 1),
            "device": state.device,
            **{key: round(value, 3) for key, value in found.items()},
        }
        write_row(self.log, row)
        told = ", ".join(f"{key} {found[key]:.2f}" for key in self.judge.clean)
        print(f"{self.name}: step {state.step}, {row['seconds']} s: {told}", flush=True)


def read_images(folder: Path) -> TrainingImages:
    """Return the images of a folder that are large enough."""
    return run_job(read_training_images(folder, smallest_side=128))


def save(state: PretrainingState, images: TrainingImages, path: Path) -> None:
    """Write the averaged weights, and the ones being trained, to go on from."""
    averaged = pretrained_weights(state, images, name=path.stem)
    save_weights(averaged, path)
    trained = {key: value.detach().cpu() for key, value in
               state.network.state_dict().items()}  # fmt: skip
    last = dataclasses.replace(averaged, state=trained)
    save_weights(last, path.with_name(f"{path.stem}-last.safetensors"))
