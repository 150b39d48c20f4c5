"""Where the settings depart from the paper's, and where the paper has none."""

from idml.simulation.config import make_config
from idml.studies.paper.attacks import ALGORITHMS
from idml.studies.paper.table_one import TABLE_I
from idml.studies.scales import PaperSize

_DEVICES, _ATTACKERS = 50, (3, 10)
_DATA = {"fashion-mnist", "cifar10"}
_NETWORKS = {"cnn6", "cnn10", "cnn14"}


def departures(size: PaperSize) -> list[str]:
    """Name them for the figures at a size, in a sentence each."""
    config = make_config({**size.settings, **TABLE_I})
    attacked = "; ".join(learned.title for learned in size.attacked)
    votes = ", ".join(f"{network} ({ALGORITHMS[algorithm]})" for algorithm, network in size.networks.items())
    found = []
    learned = {one.network for one in size.attacked}
    if learned != _NETWORKS or any(one.width for one in size.attacked) or set(size.networks.values()) - _NETWORKS:
        found.append(
            f"Networks: {attacked} in Fig. 8 and 9, {votes} in Fig. 7. The paper has 6, 10 and 14 convolutional "
            "layers for OppCL, 10 for gossip."
        )
    if {one.dataset for one in size.attacked} != _DATA or set(size.voted) != _DATA:
        found.append(
            f"Data: {', '.join(sorted({one.dataset for one in size.attacked}))} in Fig. 8 and 9, "
            f"{', '.join(size.voted)} in Fig. 7. The paper has CIFAR-10 and Fashion-MNIST."
        )
    if (size.devices, size.attackers) != (_DEVICES, _ATTACKERS):
        few, many = size.attackers
        found.append(
            f"Devices: {size.devices}, of which {few} or {many} attack. The paper has {_DEVICES}, of which "
            f"{_ATTACKERS[0]} or {_ATTACKERS[1]} do."
        )
    return [
        *found,
        f"Rounds: {size.rounds} encounters a device in Fig. 8 and 9, {size.vote_rounds} in Fig. 7. The paper does "
        "not say how many it has.",
        f"Validators judge on {config.validation_images} images of their own. The paper does not say how many.",
        "All devices start from one common model. The paper does not say from what they start.",
        "No own epoch follows a merge in Fig. 8 and 9, unless said otherwise. In the paper's text, training continues.",
        "Votes may take 50,000 seconds. The paper's limit is 50,000 blocks.",
    ]
