"""`idml traces`: look at contact traces, and generate new ones from them."""

import argparse
import json
from pathlib import Path
from typing import Any

from idml.outside import usable_path


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "traces",
        help="look at contact traces, generate new ones",
        description="Look at contact traces, and generate new ones from them. Formats: docs/traces.md.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    info = actions.add_parser(
        "info",
        help="what a trace is like",
        description="Devices, contacts, durations, inter-contact times and degrees of a contact trace.",
    )
    _add_file(info)
    info.add_argument("--json", action="store_true", help="print JSON, times in seconds")
    info.add_argument("--picture", type=usable_path, metavar="FILE", help="draw it: a .png, .svg or .pdf file")
    info.set_defaults(execute=_info)

    generate = actions.add_parser(
        "generate",
        help="spread a trace's contacts evenly over any number of devices",
        description="Generate a trace with the durations and inter-contact times of another, in which every device has "
        "about equally many contacts.",
    )
    _add_file(generate)
    generate.add_argument("--devices", type=int, required=True, metavar="N", help="in the new trace, at least 2")
    generate.add_argument("--seed", type=int, default=1, metavar="N", help="equal seeds give equal traces (default: 1)")
    generate.add_argument(
        "--out",
        type=usable_path,
        required=True,
        metavar="FILE",
        help="where to write it: .csv, or .csv.gz for a gzipped one",
    )
    generate.set_defaults(execute=_generate)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=usable_path, metavar="FILE", help="a trace, plain, gzipped or zipped")
    parser.add_argument("--format", metavar="F", help="its format; by default recognized by its first line")


def _info(options: argparse.Namespace) -> int:
    from idml.simulation.traces import TraceError, describe, read_trace

    picture: Path | None = options.picture
    suffix = picture.suffix[1:] if picture else ""
    if picture and suffix not in ("png", "svg", "pdf"):
        raise TraceError(f"--picture is {str(picture)!r}: name a .png, .svg or .pdf file")
    trace = read_trace(options.file, options.format)
    facts = describe(trace)
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        from idml.cli.output import console
        from idml.reporting.terminal import trace_summary

        console().print(trace_summary(options.file.name, facts))
    if picture:
        from idml.reporting.style import render
        from idml.reporting.trace_figure import trace_figure
        from idml.simulation.traces import statistics

        chart = trace_figure(
            options.file.name,
            durations_s=statistics.durations(trace),
            inter_contact_s=statistics.pair_gaps(trace),
            alone_s=statistics.device_gaps(trace),
            starts_s=trace.start_s,
            degrees=statistics.degrees(trace),
            contacts=statistics.contacts_per_device(trace),
        )
        content = render(chart, suffix)  # type: ignore[arg-type]
        try:
            picture.write_bytes(content)
        except OSError as error:
            raise TraceError(f"{picture}: {error.strerror or error}") from None
        if not options.json:
            print(f"picture: {picture}")
    return 0


def _generate(options: argparse.Namespace) -> int:
    from idml.simulation.traces import TraceError, read_trace, spread_evenly, write_trace

    for name, least in (("devices", 2), ("seed", 0)):
        value: Any = getattr(options, name)
        if value < least:
            raise TraceError(f"--{name} is {value}: must be a whole number at least {least}")
    trace = spread_evenly(read_trace(options.file, options.format), options.devices, options.seed)
    write_trace(trace, options.out)
    print(f"{len(trace):,} contacts of {len(trace.devices):,} devices: {options.out}")
    return 0
