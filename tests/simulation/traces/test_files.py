"""Files: every published format as its publisher describes it, and one clear line for whatever is wrong."""

import gzip
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idml.simulation.traces import FORMATS, Trace, TraceError, formats, read_trace, write_trace

from .conftest import EXAMPLE, published
from .test_trace import SIGHTINGS, Sighting, contacts, trace_of

Write = Callable[[str], Path]

SAMPLES = {
    "csv": ("time_start,client1,client2,time_end\n0.5,ann,7,9\n4,7,ann,12\n", [(0.5, 12, "7", "ann")]),
    "malawi": (",contact_time,day,id1,id2\n0,0,22,71,81\n1,20,22,81,71\n", [(-20, 20, "71", "81")]),
    "hyccups": (
        "1,2,1331041516000,1200,1\n2,1,1331041516500,900,2\n1,0,1331041516000,60,1\n",
        [(1331041516, 1331042716, "1", "2")],
    ),
    "mobemu": (
        "1,16,1334127549000,96000\n1,32,1334148433000,14400001\n",
        [(1334127549, 1334127645, "1", "16")],
    ),
    "mobility2011": ("1\t17\t41021\t41021\t1\t0\n22\t23\t5\t9\t1\t0\n", [(41021, 41021, "1", "17")]),
    "sociopatterns": (
        "20 1336 1337\n40\t1336\t1337\n80 1337 1336\n",
        [(0, 40, "1336", "1337"), (60, 80, "1336", "1337")],
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_recognized_and_can_be_named(name: str, written: Write) -> None:
    text, expected = SAMPLES[name]
    for format in (None, name):
        assert contacts(read_trace(written(text), format)) == expected


def test_classes_columns_in_another_order_comments_and_line_ends_do_not_matter(written: Write) -> None:
    assert contacts(read_trace(written("\n# badges\n20\t1\t2\t3B\t5A\r\n"))) == [(0, 20, "1", "2")]
    swapped = "\ufefftime_end, client2, place, time_start, client1\n9, b, hall, 1, a\n"
    assert contacts(read_trace(written(swapped))) == [(1, 9, "a", "b")]


def test_what_is_left_out_is_counted(written: Write) -> None:
    text = "1,0,1331041516000,1200,1\n1,1,1331041516000,1200,1\n0,1,1331041516000,5,2\n1,2,1331041516000,5,2\n"
    assert read_trace(written(text)).dropped == {"with an unknown device": 2, "of a device with itself": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "20 1 2\n40 1\n",
            ":2: expected t i j in whole numbers between blanks, t in seconds, and perhaps two classes; ",
        ),
        ("20 1 2\n\n# x\n4o 1 2\n", ":4: expected t i j in whole numbers between blanks, t in seconds, and perhaps "),
        ("time_start,client1,client2,time_end\n5,a,b,4\n", ":2: expected time_start,client1,client2,time_end in sec"),
        ("time_start,client1,client2,time_end\n5,a,b\n", "found '5,a,b'"),
        ("time_start,client1,client2,time_end\n5,a,,6\n", "found '5,a,,6'"),
        ("time_start,client1,client2,time_end\nnan,a,b,6\n", "found 'nan,a,b,6'"),
        ("time_start,client1,client2,time_end\n0,a,b,inf\n", "found '0,a,b,inf'"),
        (",contact_time,day,id1,id2\n0,0,22,x,81\n", ":2: expected index,contact_time,day,id1,id2 in whole numbers"),
        ("1,2,1331041516000,-5,1\n", ":1: expected observer,observed,start,duration,type in whole numbers: unix ms, "),
        ("1,2,1331041516000,5,1\n1,2,1331041516000,5,3\n", ":2: expected observer,observed,start,duration,type"),
        ("1,2,1331041516000,5\n1,2,99,5\n", ":2: expected observer,observed,start,duration in whole numbers: unix ms"),
        ("1\t2\t9\t12\t1\t0\n1\t2\t9\t8\t1\t0\n", ":2: expected observer, observed, start, end, contacts, ms since"),
        ("20 1 2\n" + "9" * 400 + " 1 2\n", ":2: expected t i j in whole numbers"),
        ("0,1,2,30\n", ":1: expected a first line of one of the formats csv, malawi, hyccups, mobemu, mobility2011"),
        ("", ": expected contacts, found an empty file"),
        ("1,1,1331041516000,5,1\n", ": expected contacts between devices, found none, 1 of a device with itself"),
    ],
)
def test_what_is_wrong_gets_file_line_what_was_expected_and_what_stood_there(
    text: str, message: str, written: Write
) -> None:
    path = written(text)
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_named_format_is_insisted_on(written: Write) -> None:
    path = written("20 1 2\n")
    with pytest.raises(TraceError, match=r":1: expected a header that names time_start, client1, client2, time_end"):
        read_trace(path, "csv")
    with pytest.raises(TraceError, match=r":1: expected observer,observed"):
        read_trace(path, "mobemu")
    with pytest.raises(TraceError, match=r"format is 'xml': choose one of csv, malawi"):
        read_trace(path, "xml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="019 .,\t\n-ax#\ufeff\x00", max_size=60), st.sampled_from([None, *FORMATS]))
def test_no_text_makes_the_reader_fail_otherwise(tmp_path: Path, text: str, format: str | None) -> None:
    path = tmp_path / "trace"
    path.write_text(text, encoding="utf-8")
    with suppress(TraceError):
        assert len(read_trace(path, format)) > 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "binary", "missing", "two files", "a folder"])
def test_damaged_files_are_named(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.gz"
    packed = bytearray(gzip.compress(EXAMPLE.read_bytes()))
    if damage == "cut":
        path.write_bytes(packed[:500])
    elif damage == "flipped":
        packed[60] ^= 255
        path.write_bytes(packed)
    elif damage == "binary":
        path.write_bytes(bytes(range(128, 256)))
    elif damage == "two files":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a", "20 1 2\n")
            archive.writestr("b", "20 1 2\n")
    elif damage == "a folder":
        path.mkdir()
    with pytest.raises(TraceError) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("packing", ["plain", "gzip", "zip"])
def test_packing_is_told_by_content_not_by_name(packing: str, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    content = SAMPLES["sociopatterns"][0].encode()
    if packing == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("folder/tij.dat", content)
    else:
        path.write_bytes(gzip.compress(content) if packing == "gzip" else content)
    assert contacts(read_trace(path)) == SAMPLES["sociopatterns"][1]


def same(one: Trace, other: Trace) -> bool:
    return one.devices == other.devices and all(
        np.array_equal(getattr(one, column), getattr(other, column)) for column in ("start_s", "end_s", "a", "b")
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIGHTINGS, st.sampled_from([1.0, 0.1, 1e-7, 1e12]), st.sampled_from(["t.csv", "t.csv.gz"]))
def test_what_is_written_is_read_back(tmp_path: Path, sightings: list[Sighting], unit: float, name: str) -> None:
    trace = trace_of(sightings)
    trace = Trace(trace.devices, trace.start_s * unit, trace.end_s * unit, trace.a, trace.b)
    write_trace(trace, tmp_path / name)
    assert same(read_trace(tmp_path / name), trace)
    before = (tmp_path / name).read_bytes()
    write_trace(trace, tmp_path / name)
    assert (tmp_path / name).read_bytes() == before


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"none/t.csv: No such file or directory"):
        write_trace(read_trace(EXAMPLE), tmp_path / "none" / "t.csv")


# Counted independently of this reader when the files were collected.
FACTS = {
    "tnet_malawi_pilot.csv.gz": (86, 347, 35_117, 40),
    "upb_mobility2011_contacts.dat.gz": (18, 90, 272, 374),
    "upb_hyccups_interactions.csv.gz": (64, 587, 3_927, 1076),
    "primaryschool.csv.gz": (242, 8_317, 77_521, 20),
    "highschool_2012.csv.gz": (180, 2_220, 19_774, 20),
    "SFHH_tij.dat.gz": (403, 9_565, 26_040, 20),
    "workplace_InVS_tij.dat.zip": (92, 755, 4_592, 20),
    "ht2009_contact_list.dat.gz": (113, 2_196, 9_865, 20),
}


def facts(trace: Trace) -> tuple[int, int, int, float]:
    median_s = float(np.median(trace.end_s - trace.start_s))
    return len(trace.devices), len(np.unique(trace.pair)), len(trace), round(median_s)


@pytest.mark.parametrize("name", FACTS)
def test_published_traces_hold_what_is_known_of_them(name: str) -> None:
    assert facts(read_trace(published(name))) == FACTS[name]


def test_mobemus_artefacts_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    path = published("upb_hyccups_mobemu_contacts.csv.gz")
    trace = read_trace(path)
    assert trace.dropped == {"longer than 4 h": 140, "of a device with itself": 2}
    assert (trace.end_s - trace.start_s).max() < 86_400
    assert facts(trace) == (43, 300, 3_032, 136)
    monkeypatch.setattr(formats, "LONGEST_MOBEMU_S", float("inf"))
    assert facts(read_trace(path)) == (43, 301, 2_879, 155)
