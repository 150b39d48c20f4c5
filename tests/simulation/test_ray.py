"""Ray: the same run on a cluster, whatever happens to its workers, its nodes and itself."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from idml.simulation.config import ConfigError
from idml.simulation.runs import resume, simulate
from idml.simulation.totals import Snapshot
from idml.simulation.work.executors.base import ExecutorError

from .conftest import EXPELLED_MIDWAY, tiny
from .test_workers import assert_gone, outcome, own_algorithm, run, started

# Ray's own way of starting processes leaves files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning", "ignore:subprocess:ResourceWarning")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")
needs_proc = pytest.mark.skipif(not Path("/proc").exists(), reason="there is no /proc to find processes in")
TINY = [f"--set={key}={value}" for key, value in tiny().model_dump(exclude_none=True).items() if value != {}]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of one node with one CPU, to which a test adds others."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # paths of sockets must be short
    # It also writes its address where clusters have their files by default, and does not make that folder.
    monkeypatch.setenv("RAY_TMPDIR", folder)
    Path(folder, "ray").mkdir()
    head = {"num_cpus": 1, "temp_dir": folder, "object_store_memory": 80_000_000}
    made = Cluster(initialize_head=True, head_node_args=head)
    yield made
    made.shutdown()  # type: ignore[no-untyped-call]  # Ray has no types here
    for process in Path("/proc").glob("[0-9]*/cmdline"):  # an agent does not notice that its node was killed
        with contextlib.suppress(OSError):
            if f"--temp-dir={folder}" in process.read_text():
                os.kill(int(process.parent.name), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def add_node(cluster: Any) -> Any:
    return cluster.add_node(num_cpus=1, object_store_memory=80_000_000)


def on(cluster: Any, **changes: Any) -> dict[str, Any]:
    return {"executor": "ray", "ray_address": cluster.address, **changes}


def family(ancestor: int) -> dict[int, str]:
    """Command lines of a process and all that descend from it, by process number."""
    commands, children = dict[int, str](), dict[int, list[int]]()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            commands[int(process.name)] = (process / "cmdline").read_text()
        except OSError:
            continue
        children.setdefault(parent, []).append(int(process.name))
    found = [ancestor]
    for member in found:
        found += children.get(member, [])
    return {member: commands[member] for member in found if member in commands}


def workers() -> list[int]:
    """Those on clusters that this process made."""
    return [number for number, command in family(os.getpid()).items() if command.startswith("ray::Member")]


@needs_ray
@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["gossip", "oppcl"])
def test_two_nodes_do_as_one_process_while_attackers_are_expelled(tmp_path: Path, cluster: Any, algorithm: str) -> None:
    add_node(cluster)
    changes = {"algorithm": algorithm, **EXPELLED_MIDWAY}
    seen = list[int]()

    def count(snapshot: Snapshot) -> None:
        while snapshot.contact == 60 and Path("/proc").exists() and len(seen) < 2:
            seen.append(worker_beside(seen))  # a node takes its time to come

    simulate(tiny(**on(cluster, **changes)), tmp_path / "ray", observer=count)
    assert len(seen) == 2 or not Path("/proc").exists()
    one = run(tmp_path / "serial", **changes)
    assert len(json.loads(one[0])["expelled"]["attackers"]) == 2
    assert outcome(tmp_path / "ray") == one


def worker_beside(others: list[int]) -> int:
    """A worker that is none of these, as soon as there is one: a killed one is replaced in its own time."""
    give_up_at = time.monotonic() + 60
    while True:
        found = next((worker for worker in workers() if worker not in others), None)
        if found is not None:
            return found
        assert time.monotonic() < give_up_at, f"no worker but {others} within a minute"
        time.sleep(0.05)


@needs_ray
@needs_proc
@pytest.mark.slow
def test_killed_workers_and_a_lost_node_are_missed_by_nobody(tmp_path: Path, cluster: Any) -> None:
    node, killed, left = add_node(cluster), list[int](), list[list[int]]()

    def harm(simulator: Any) -> None:
        encounters = simulator._totals.encounters
        if encounters in (3, 9) and len(killed) < 2:
            killed.append(worker_beside(killed))
            os.kill(killed[-1], signal.SIGKILL)
        if encounters == 15 and not left:
            cluster.remove_node(node, allow_graceful=False)
            left.append(workers())

    started(tmp_path / "harmed", harm, **on(cluster, encounters=40)).run()
    assert len(killed) == 2
    assert left
    assert_gone(killed)
    assert outcome(tmp_path / "harmed") == run(tmp_path / "serial", encounters=40)


@needs_ray
@pytest.mark.slow
def test_a_job_that_kills_its_workers_ends_the_run_in_one_line(tmp_path: Path, cluster: Any) -> None:
    body = "return received + 1 if training.key[0] == 'check' else os._exit(7)"
    with pytest.raises(ExecutorError, match="3 workers died one after another of the same job") as caught:
        simulate(tiny(algorithm=own_algorithm(tmp_path, body), **on(cluster)), tmp_path / "run")
    assert "\n" not in str(caught.value)


@needs_ray
@needs_proc
@pytest.mark.slow
def test_a_cluster_that_goes_away_ends_the_run_in_one_line(
    tmp_path: Path, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And other workers take it to its end."""
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "2")

    def leave(simulator: Any) -> None:
        if simulator._totals.encounters == 5:
            orphans = workers()  # they would do what they have before they miss their node
            cluster.head_node.kill_all_processes(check_alive=False)
            for orphan in orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(orphan, signal.SIGKILL)

    played = started(tmp_path / "run", leave, **on(cluster, encounters=60))
    with pytest.raises(ExecutorError, match=rf"^ray: the cluster {cluster.address} went away$"):
        played.run()
    played._store.close()
    resume(tmp_path / "run", {"executor": "processes", "workers": 2})
    assert outcome(tmp_path / "run") == run(tmp_path / "serial", encounters=60)


@needs_ray
@pytest.mark.slow
def test_more_workers_than_the_cluster_has_room_for_are_refused(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(ExecutorError, match=r"^workers is 3: must be 1 to 1, the CPUs of the cluster$"):
        simulate(tiny(**on(cluster, workers=3)), tmp_path / "run")


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:99999"])
def test_where_no_cluster_is_a_line_says_so_before_a_run_begins(tmp_path: Path, address: str) -> None:
    with pytest.raises(ExecutorError, match=rf"^ray_address is '{address}': no cluster answers there \(.*\)$"):
        simulate(tiny(executor="ray", ray_address=address), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_ray_a_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    how = r"pip install -c constraints\.txt -e '\.\[ray\]'"
    with pytest.raises(ConfigError, match=rf"^executor is 'ray': Ray is not installed: {how}$"):
        simulate(tiny(executor="ray"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_address_must_be_of_use() -> None:
    with pytest.raises(ConfigError, match=r"^ray_address is 'here:1': only the executor 'ray' goes there$"):
        tiny(ray_address="here:1")
    with pytest.raises(ConfigError, match=r"^ray_address is 'ray://here:1': must be HOST:PORT"):
        tiny(ray_address="ray://here:1", executor="ray")


@needs_ray
@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_with_a_cluster_of_its_own_leaves_nothing_and_goes_on(tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, "-m", "idml.cli.main", "run", *TINY, "--set=encounters=3000", "--out=run"]
    with subprocess.Popen(
        [*command, "--executor=ray", "--workers=2"], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        said = next(line for line in lines if line.startswith("round 2"))
        members = family(process.pid)
        assert sum(command.startswith("ray::Member") for command in members.values()) == 2
        folder = next(part for part in "\0".join(members.values()).split("\0") if "idml-ray-" in part).partition("=")[2]
        process.send_signal(how)
        said = "".join(lines)
    assert_gone([member for member in members if member != process.pid], within_s=15)
    assert not Path(folder).exists()
    if how is signal.SIGINT:
        assert all(line.startswith(("round ", "idml: ")) for line in said.splitlines()), said
        assert process.returncode == 130
        assert said.endswith("idml: interrupted; go on with: idml run --resume run\n")
