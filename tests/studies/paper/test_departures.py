"""What departs from the paper is named, at each scale."""

from idml.studies.paper.departures import departures
from idml.studies.scales import SCALES


def found(name: str) -> dict[str, str]:
    return {sentence.partition(":")[0]: sentence for sentence in departures(SCALES[name].paper)}


def test_only_the_paper_scale_has_the_paper_s_networks_and_data() -> None:
    assert {"Networks", "Data", "Devices"} <= set(found("smoke"))
    assert "digits in Fig. 8 and 9, digits in Fig. 7" in found("smoke")["Data"]
    assert "10, of which 1 or 2 attack" in found("smoke")["Devices"]
    laptop = found("laptop")
    assert "fashion-mnist, small; fashion-mnist, cnn6 at width 8 in Fig. 8 and 9" in laptop["Networks"]
    assert "Devices" not in laptop
    assert not {"Networks", "Data", "Devices"} & set(found("paper"))


def test_what_the_paper_does_not_say_is_named_with_the_number_chosen() -> None:
    for name, images in (("smoke", 50), ("laptop", 200), ("paper", 200)):
        size = SCALES[name].paper
        assert (
            f"{size.rounds} encounters a device in Fig. 8 and 9, {size.vote_rounds} in Fig. 7" in found(name)["Rounds"]
        )
        text = " ".join(departures(size))
        assert f"Validators judge on {images} images" in text
        assert "one common model" in text
        assert "No own epoch" in text
