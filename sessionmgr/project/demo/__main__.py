"""``python -m sessionmgr.project.demo``: the demo, as ``make demo`` starts it."""

import sys

from sessionmgr.project.demo.launcher import main

if __name__ == "__main__":
    sys.exit(main())
