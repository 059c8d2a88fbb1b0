"""Run the command line as ``python -m napari_mpi``."""

import sys

from napari_mpi.cli.main import main

sys.exit(main())
