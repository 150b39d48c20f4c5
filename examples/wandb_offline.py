"""Log a run to Weights & Biases without a network; `wandb sync` sends it later, if you want.

python examples/wandb_offline.py
"""

import time

import wandb

import idml

CONFIG = idml.load_config(settings=["dataset=digits", "devices=10", "encounters=150", "adversaries.label_flip=2"])

if __name__ == "__main__":
    with wandb.init(project="idml", mode="offline", config=CONFIG.model_dump()) as log:

        def observe(snapshot: idml.Snapshot) -> None:
            """Called after each contact. What is logged of a round replaces what was logged of it before."""
            facts = {"encounters": snapshot.encounters, "expelled": len(snapshot.expelled)}
            accuracy = {"accuracy": snapshot.accuracy[-1]} if snapshot.accuracy else {}
            log.log({**facts, **accuracy}, step=snapshot.round)

        run = idml.run(time.strftime("runs/wandb-%Y-%m-%d-%H%M%S"), CONFIG, observer=observe)
        log.summary.update({"final accuracy": run.summary["accuracy"], "attack success": run.summary["attack_success"]})
    print(f"report: {run.report}")
