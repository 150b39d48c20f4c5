"""Replays that are kept: taken again where they were made alike, refused where they were not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import idml.studies.replays as replays
from idml.cli.main import main
from idml.simulation.config import ConfigError, make_config
from idml.studies.command import evaluate_rules
from idml.studies.replays import Replay
from idml.studies.scales import SCALES

from .test_error_rates import TINY

SMOKE = replace(SCALES["smoke"], config={**SCALES["smoke"].config, "encounters": 8}, partitions=("iid",), every=4)


def kept(path: Path, every: int = 6, **changes: Any) -> Replay:
    return Replay(path / "judged-1.csv", make_config({**TINY, **changes}), every)


def test_a_replay_is_taken_again_whatever_does_not_matter(tmp_path: Path) -> None:
    kept(tmp_path).check()
    kept(tmp_path).play()
    again = kept(tmp_path, workers=2, checkpoint_s=7.0, data_dir=str(tmp_path))
    again.check()
    assert {one.contact for one in again.read()} == {0, 6}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"every": 3}, "every = 6, not 3"),
        ({"devices": 7}, "devices = 6, not 7"),
        ({"validation_images": 20}, "validation_images = 40, not 20"),
    ],
)
def test_a_replay_of_other_settings_is_refused(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    kept(tmp_path).play()
    with pytest.raises(ConfigError) as caught:
        kept(tmp_path, **changes).check()
    assert str(caught.value).startswith(f"{tmp_path / 'judged-1.csv'} was made with {line}")
    assert str(caught.value).endswith(": choose another --out, or delete it")


def test_a_replay_by_other_rules_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path).play()
    version = replays.RULES_VERSION
    monkeypatch.setattr(replays, "RULES_VERSION", version + 1)
    with pytest.raises(ConfigError, match=f"was made with rules_version = {version}, not {version + 1}: choose"):
        kept(tmp_path).check()


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (Path.unlink, "has no judged-1.toml beside it to say what made it: choose another --out, or delete it"),
        (lambda beside: beside.write_text("= 1"), "judged-1.toml says not what made judged-1.csv, "),
        (lambda beside: beside.write_bytes(b"\xff"), "judged-1.toml says not what made judged-1.csv, "),
    ],
)
def test_a_replay_that_nothing_tells_of_is_refused(tmp_path: Path, spoil: Callable[[Path], None], line: str) -> None:
    kept(tmp_path).play()
    spoil(tmp_path / "judged-1.toml")
    with pytest.raises(ConfigError) as caught:
        kept(tmp_path).check()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_trace_is_another_by_what_it_holds_and_not_by_where_it_lies(tmp_path: Path) -> None:
    traces = [tmp_path / name for name in ("here.csv", "there.csv", "other.csv")]
    for trace, second in zip(traces, (20, 20, 30), strict=True):
        trace.write_text(f"time_start,client1,client2,time_end\n0,0,1,10\n{second},2,3,40\n50,4,5,60\n")
    kept(tmp_path, contacts=str(traces[0]), encounters=None).play()
    kept(tmp_path, contacts=str(traces[1]), encounters=None).check()
    with pytest.raises(ConfigError, match="was made with contacts = "):
        kept(tmp_path, contacts=str(traces[2]), encounters=None).check()


def test_the_command_replays_nothing_before_it_has_looked_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    evaluate_rules(tmp_path, SMOKE, told.append)
    written = evaluate_rules(tmp_path, SMOKE, told.append)
    assert told == ["replaying digits-iid-oppcl-1"]
    assert all(path.exists() for path in written)
    (tmp_path / "judged-digits-iid-oppcl-1.csv").rename(tmp_path / "judged-digits-iid-oppcl-2.csv")
    with pytest.raises(ConfigError, match=r"judged-digits-iid-oppcl-2\.csv has no judged-digits-iid-oppcl-2\.toml "):
        evaluate_rules(tmp_path, replace(SMOKE, seeds=2), told.append)
    assert len(told) == 1
    assert main(["evaluate", "rules", "--out", str(tmp_path), "--seeds", "2"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
