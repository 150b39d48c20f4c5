"""Tasks: what the contract would refuse is refused here, with the reason; presets are the mechanism's table."""

from dataclasses import replace

import pytest

from idml.protocol.task import MAX_LIFE_S, MAX_VOTES, preset_task

SAFE = preset_task("safe")
PAPER = preset_task("paper")


def test_presets_are_the_mechanisms_table() -> None:
    assert (PAPER.good_faith_bps, PAPER.no_vote_bps, PAPER.reject_pot_bps) == (1_000, 10_000, 10_000)
    assert (PAPER.committee_size, PAPER.quorum) == (0, 1)
    assert (SAFE.good_faith_bps, SAFE.no_vote_bps, SAFE.reject_pot_bps) == (0, 8_000, 4_000)
    assert (SAFE.committee_size, SAFE.quorum) == (3, 2)
    assert preset_task("safe", neighbor_share_bps=3_000).reject_pot_bps == 10_000
    assert preset_task("safe", votes=5).quorum == 3


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown preset 'fair': choose paper or safe"):
        preset_task("fair")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("neighbor_share_bps", 10_001, "neighbor_share_bps is 10001: must be between 0 and 10000"),
        ("no_vote_bps", -1, "no_vote_bps is -1"),
        ("votes", 0, f"votes is 0: must be between 1 and {MAX_VOTES}"),
        ("votes", MAX_VOTES + 1, f"votes is {MAX_VOTES + 1}"),
        ("committee_size", 2, f"committee_size is 2: must be between 3 and {MAX_VOTES}"),
        ("committee_size", MAX_VOTES + 1, f"committee_size is {MAX_VOTES + 1}"),
        ("quorum", 0, "quorum is 0: must be between 1 and 3"),
        ("quorum", 4, "quorum is 4"),
        ("completion_window_s", 0, "completion_window_s is 0"),
        ("voting_window_s", 0, "voting_window_s is 0"),
        ("metric", 256, "metric is 256"),
        ("validation_images", 1 << 16, "validation_images is 65536"),
        ("max_model_bytes", 1 << 32, "max_model_bytes is"),
        ("voting_window_s", MAX_LIFE_S, "at most 518400 s allowed"),
    ],
)
def test_what_the_contract_would_refuse_is_refused(field: str, value: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SAFE, **{field: value})  # type: ignore[arg-type]


def test_the_id_tells_tasks_apart() -> None:
    assert SAFE.id != PAPER.id
    assert SAFE.id == preset_task("safe").id
    assert replace(SAFE, tie_accepts=False).id != SAFE.id
