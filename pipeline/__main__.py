"""``python -m pipeline`` is ``ctprep``."""

import sys

from pipeline.cli import main
from pipeline.cluster.warmup import list_safe_paths

if __name__ == "__main__":
    sys.path[:] = list_safe_paths()
    sys.exit(main())
