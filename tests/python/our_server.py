"""A pytest plugin: where the package's own tests start the package's server, ours is started instead, on the same port.

Use: `PYTHONPATH=tests/python LACHESIS="node bin/lachesis.js" python -m pytest -p our_server --pyargs atroposlib.tests.test_api_legacy`
"""

import os
import shlex
import subprocess

real_popen = subprocess.Popen


class Popen(real_popen):
    def __init__(self, args, *more, **options):
        if isinstance(args, list) and "atroposlib.cli.run_api" in args:
            given = args[args.index("atroposlib.cli.run_api") + 1 :]
            args = shlex.split(os.environ["LACHESIS"]) + ["run-api", *given, "--store", "memory:"]
        super().__init__(args, *more, **options)


subprocess.Popen = Popen
