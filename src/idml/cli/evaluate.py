"""`idml evaluate`: measure validation rules, adversaries and defences."""

import argparse
import os
import sys
from pathlib import Path

from idml.cli.batches import Countdown, again, show_each_message_once
from idml.outside import usable_path

_EPILOG = """\
examples:
  idml evaluate rules --scale smoke --out results
  idml evaluate attacks --scale laptop --out results --only label_flip,backdoor
  idml evaluate adaptive --scale laptop
  idml evaluate all

error rates are over all encounters and from each learner's sixth on, at a few tolerances of each rule
what was measured before is not measured again; what was stopped goes on; what was measured with other settings, or
by other rules, is refused"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "evaluate",
        help="measure validation rules, adversaries and defences",
        description="Measure how often each validation rule errs, and what each adversary does with and without iDML.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    parser.add_argument(
        "what",
        choices=["rules", "attacks", "adaptive", "all"],
        help="error rates of rules; a table of attacks; attackers that know the rule, under each; or all three",
    )
    parser.add_argument("--scale", choices=["smoke", "laptop", "paper"], default="smoke", help="size (default: smoke)")
    parser.add_argument("--out", type=usable_path, metavar="DIR", help="results (default: results/evaluate-SCALE)")
    parser.add_argument(
        "--data-dir",
        type=usable_path,
        metavar="DIR",
        help="look for data here first (then $IDML_DATA, the user cache, the network)",
    )
    parser.add_argument("--only", metavar="KIND,...", help="kinds of adversary in the table of attacks (default: all)")
    parser.add_argument("--processes", type=int, metavar="N", help="runs at a time (default: one a core)")
    parser.add_argument("--seeds", type=int, metavar="N", help="repetitions (default: the scale's)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(execute=execute, parser=parser)


def execute(options: argparse.Namespace) -> int:
    """Run the command; returns the exit code."""
    for name in ("seeds", "processes"):
        if (value := getattr(options, name)) is not None and value < 1:
            options.parser.error(f"--{name} {value}: must be at least 1")
    if options.only is not None and options.what not in ("attacks", "all"):
        options.parser.error(f"--only is for the table of attacks: leave it out with {options.what}")
    show_each_message_once()
    # Only now: these load PyTorch, which takes a second.
    from dataclasses import replace

    from idml.simulation.adversaries.registry import ADVERSARIES
    from idml.studies.evaluation import Evaluation
    from idml.studies.scales import SCALES

    kinds = options.only.split(",") if options.only else None
    for kind in kinds or ():
        if kind not in ADVERSARIES.names():
            options.parser.error(f"--only {kind}: kinds are {', '.join(sorted(ADVERSARIES.names()))}")
    size = SCALES[options.scale].evaluation
    if options.seeds is not None:
        size = replace(size, seeds=options.seeds)
    data_dir = str(options.data_dir) if options.data_dir else None
    directory = options.out or Path("results") / f"evaluate-{options.scale}"
    countdown, processes = Countdown(quiet=options.quiet), options.processes or os.cpu_count() or 1
    evaluation = Evaluation(directory, size, data_dir, processes, countdown)
    written = []
    try:
        if options.what in ("rules", "all"):
            if (reason := evaluation.without_natural) is not None:
                countdown.say(f"left out: {reason}")
            written += evaluation.rules()
        if options.what in ("attacks", "all"):
            written += evaluation.attacks(kinds)
        if options.what in ("adaptive", "all"):
            written += evaluation.adaptive()
    except KeyboardInterrupt:
        print(f"idml: interrupted; go on with: {again(options, 'evaluate')}", file=sys.stderr)
        return 130
    for path in written:
        print(path)
    return 0
