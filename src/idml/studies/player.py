"""A process that does runs and replays for a batch: `python -m idml.studies.player`.

It reads jobs from standard input, one JSON object a line, and answers each by a line on standard output. On Ctrl-C it
stops what it is at, cleanly, and takes no more. When its input ends, so does it, whatever it is at: whoever gave the
jobs has gone, and may be there again to go on with them.
"""

import contextlib
import gc
import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from idml.errors import IdmlError
from idml.simulation.config import make_config
from idml.simulation.runs import resume, simulate
from idml.simulation.totals import HOW, Snapshot, Stopped
from idml.studies.replays import play_replay

_stopping = False


def main() -> None:
    """Do jobs until the input ends, or until Ctrl-C."""
    # What a run prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, _stop)
    lines = queue.SimpleQueue[str]()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    while True:
        line = lines.get()
        job: dict[str, Any] = json.loads(line)
        print(f"$ {line.strip()}", file=sys.stderr, flush=True)
        answer = _answer(job)
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(answer), file=answers, flush=True)
        gc.collect()  # what a run leaves behind holds a whole data set
        if _stopping:
            os._exit(0)  # the thread that reads is in the way of an end in order


def _read(lines: "queue.SimpleQueue[str]") -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    try:
        _play(job)
    except Stopped:
        return {"stopped": True, "problem": None}
    except IdmlError as error:
        if error.__cause__ is not None:
            traceback.print_exc()
        return {"stopped": False, "problem": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"stopped": False, "problem": repr(error)}
    return {"stopped": False, "problem": None}


def _play(job: dict[str, Any]) -> None:
    path, settings = Path(job["path"]), job["settings"]
    if job["judged"] is not None:
        play_replay(path, make_config(settings), **job["judged"], told=_go_on_or_stop)
    elif job["go_on"]:
        resume(path, {key: value for key, value in settings.items() if key in HOW}, observer=_watch)
    else:
        simulate(make_config(settings), path, observer=_watch)


def _stop(_number: int, _frame: object) -> None:
    global _stopping
    _stopping = True


def _watch(snapshot: Snapshot) -> None:
    if _stopping and snapshot.stage != "done":
        raise Stopped


def _go_on_or_stop(_done: int, _all: int) -> None:
    if _stopping:
        raise Stopped


if __name__ == "__main__":
    main()
