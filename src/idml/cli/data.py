"""`idml data`: look at a data set before devices learn from it."""

import argparse
import json
from pathlib import Path
from typing import Any

from idml.outside import usable_path

_EPILOG = """\
examples:
  idml data check digits                                        one that ships
  idml data check my.npz --partition dirichlet --devices 20     and how devices would share it
  idml data check my.npz --devices 20 --picture shares.svg      the same as a picture

exit codes: 0 it can be used, perhaps with warnings; 1 it cannot; 2 the command line is wrong"""

_DEALT = ("partition", "devices", "alpha", "seed", "images_per_device")
_LISTED = 20
"""Classes at most that get a line each."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "data", help="look at a data set: shapes, classes, what is odd, how devices share it",
        description="Look at data sets before devices learn from them. Ways to give your own: docs/data.md.",
    )  # fmt: skip
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="what a data set is like, and what is wrong with it",
        description="Say what a data set is like, what is wrong with it, and how devices would share it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG,
    )
    check.add_argument("spec", metavar="SPEC", help="what the configuration key dataset takes, such as FILE.npz")
    check.add_argument("--partition", metavar="P", help="deal it out, as the key of this name does (default: iid)")
    check.add_argument("--devices", type=int, metavar="N", help="to so many devices (default: 50)")
    check.add_argument("--alpha", type=float, metavar="A", help="of the partition dirichlet (default: 0.5)")
    check.add_argument("--seed", type=int, metavar="S", help="as the key of this name (default: 1)")
    check.add_argument("--images-per-device", type=int, metavar="N", help="as the key of this name")
    check.add_argument("--data-dir", type=usable_path, metavar="DIR", help="look for data here first")
    check.add_argument("--picture", type=usable_path, metavar="FILE", help="draw the shares: a .png, .svg or .pdf file")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(execute=_check)


def _check(options: argparse.Namespace) -> int:
    from idml.learning.data.datasets import load_dataset
    from idml.learning.data.examine import examine
    from idml.learning.data.registry import DATASETS
    from idml.learning.errors import DataError, LearningError
    from idml.registry import PluginError

    picture: Path | None = options.picture
    if picture and picture.suffix not in (".png", ".svg", ".pdf"):
        raise DataError(f"--picture is {str(picture)!r}: name a .png, .svg or .pdf file")
    DATASETS.require(options.spec)
    data_dir: Path | None = options.data_dir
    facts: dict[str, Any] = {}
    unusable: list[str] = []
    warnings: list[str] = []
    try:
        DATASETS.find_checked(options.spec, data_dir=data_dir)
        dataset = load_dataset(options.spec, data_dir)
    except (LearningError, PluginError) as error:
        unusable += str(error).splitlines()
    else:
        found = examine(dataset)
        facts, unusable, warnings = found.facts, found.unusable, found.warnings
        if picture or any(getattr(options, key) is not None for key in _DEALT):
            broken, odd = _share(options, dataset, facts)
            unusable, warnings = unusable + broken, warnings + odd
    if options.json:
        print(json.dumps({**facts, "unusable": unusable, "warnings": warnings}, indent=2))
    else:
        _show(facts)
        for word, said in (("warning", warnings), ("unusable", unusable)):
            for line in said:
                print(f"{word}: {line}")
        if facts and not unusable:
            model = {"rows": " --set model=mlp", "tokens": " --set model=embedding"}.get(facts["kind"], "")
            print(f"it can be used: idml run --set dataset={options.spec}{model}")
            if picture:
                print(f"picture: {picture}")
    return 1 if unusable else 0


def _share(options: argparse.Namespace, dataset: Any, facts: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Deal the data set out as a run would; returns what keeps a run from doing so, and warnings."""
    import numpy as np

    from idml.learning.data.examine import NOUNS, examine_shares
    from idml.learning.errors import DataError
    from idml.registry import PluginError
    from idml.simulation.config import ConfigError, make_config
    from idml.simulation.setup import deal

    given = {key: getattr(options, key) for key in _DEALT if getattr(options, key) is not None}
    config = make_config({"images_per_device": dataset.source.defaults.images_per_device, "incentive": False, **given})
    config = config.model_copy(update={"dataset": options.spec})
    try:
        shares = deal(config, dataset)
    except (ConfigError, PluginError) as error:
        return [str(error)], []
    found = examine_shares(dataset, shares.train)
    facts["shares"] = {"partition": config.partition, **found.facts}
    if options.picture:
        from idml.reporting.shares_figure import shares_figure
        from idml.reporting.style import render

        alpha = f" with alpha {config.alpha or 0.5:g}" if config.partition == "dirichlet" else ""
        chart = shares_figure(
            f"{dataset.source.name}, dealt out {config.partition}{alpha}, seed {config.seed}",
            np.array(found.facts["counts"]),
            dataset.source.class_names,
            noun=NOUNS[dataset.source.kind],
        )
        try:
            options.picture.write_bytes(render(chart, options.picture.suffix[1:]))
        except OSError as error:
            raise DataError(f"{options.picture}: {error.strerror or error}") from None
    return found.unusable, found.warnings


def _show(facts: dict[str, Any]) -> None:
    """Print what a data set is like."""
    if not facts:
        return
    from statistics import median

    print(f"{facts['name']}: {facts['in_words']}")
    print(f"  {facts['train']:,} to train on, {facts['test']:,} to test on; {len(facts['classes'])} classes")
    if facts["owners"]:
        print(f"  {facts['owners']:,} owners")
    print(f"  always saying the most frequent class gives {facts['majority']:.1%} accuracy")
    print(f"  licence: {facts['licence']}")
    print(f"  digest: {facts['digest']}")
    classes = facts["classes"]
    if len(classes) <= _LISTED:
        width = max(len(known["name"]) for known in classes)
        for known in classes:
            print(f"    {known['name']:<{width}}  {known['train']:>7,} train  {known['test']:>7,} test")
    else:
        sizes = sorted(known["train"] for known in classes)
        print(f"    of a class {sizes[0]:,} to {sizes[-1]:,} train, half of them at least {median(sizes):,.0f}")
    if "shares" in facts:
        shares = facts["shares"]
        sizes, held = sorted(shares["images"]), sorted(shares["classes"])
        dealt = f"{shares['partition']} among {shares['devices']} devices"
        print(f"  {dealt}: {_range(sizes)} each, of {_range(held)} classes")


def _range(values: list[int]) -> str:
    low, high = values[0], values[-1]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
