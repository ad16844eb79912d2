"""`python -m modelserver_runtime.commands`: the command where it is not on the PATH."""

import sys

from modelserver_runtime.commands import main

sys.exit(main())
