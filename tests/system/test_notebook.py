"""A run shows its progress in the cell of a notebook by itself, in a real kernel."""

from pathlib import Path

import pytest

pytest.importorskip("ipykernel")
manager = pytest.importorskip("jupyter_client.manager")

CELL = """
import idml
idml.run({directory!r}, dataset="digits", model="linear", devices=6, encounters=12, images_per_device=40,
         validation_images=20, baseline_devices=0, report=False, **{settings})
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's own packages
def test_a_cell_shows_how_far_a_run_is_unless_it_is_told_not_to(tmp_path: Path) -> None:
    kernel, client = manager.start_new_kernel(startup_timeout=120)
    try:

        def shown(directory: str, settings: str) -> list[tuple[str, dict[str, str]]]:
            outputs = []

            def take(message: dict) -> None:  # type: ignore[type-arg]
                kind, content = message["msg_type"], message["content"]
                assert kind != "error", content
                if kind == "stream":
                    outputs.append((kind, {content["name"]: content["text"]}))
                elif "data" in content:
                    outputs.append((kind, content["data"]))

            cell = CELL.format(directory=str(tmp_path / directory), settings=settings)
            client.execute_interactive(cell, output_hook=take, timeout=300)
            return [(kind, data) for kind, data in outputs if kind != "execute_result"]

        first, *rest = shown("shown", "{}")
        assert first[0] == "display_data"
        assert rest
        assert {kind for kind, _ in rest} == {"update_display_data"}
        assert "12/12" in rest[-1][1]["text/plain"]
        assert "oppcl on digits" in rest[-1][1]["text/html"]
        assert shown("silent", "{'progress': False}") == []
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
