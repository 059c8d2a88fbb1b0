"""The tasks, as ``fractal-manifest create`` and ``check`` look for them."""

from fractal_task_tools.task_models import ParallelTask

AUTHORS = "The napari-mpi developers"
TASK_LIST = [
    ParallelTask(
        name="Denoise (napari-mpi)",
        executable="denoise.py",
        input_types={"denoised": False},
        output_types={"denoised": True},
        # Enough for planes of some 2000 x 2000; a GPU is for the workflow to ask for.
        meta={"cpus_per_task": 4, "mem": 8000},
        category="Image Processing",
        tags=["Preprocessing", "Denoising", "2D", "3D"],
    )
]
