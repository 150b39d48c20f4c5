"""A replay in a process of its own: `python -m idml.studies.paper.replaying CONFIG.toml OUT.csv EVERY [--set=K=V]`."""

import sys
from pathlib import Path

from idml.simulation.config import make_config, read_values
from idml.studies.error_rates import replay, write_judged
from idml.studies.paper.attacks import FLIP


def main() -> int:
    """Replay and write what was judged; errors are one line, exit code 1."""
    config, out, every, *settings = sys.argv[1:]
    try:
        values = read_values(Path(config), [setting.removeprefix("--set=") for setting in settings])
        judged = replay(make_config(values), attacks=(FLIP,), every=int(every))
        write_judged(Path(out), judged)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(f"idml: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
