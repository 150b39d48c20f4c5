"""Search with Optuna: the learning rate with which honest devices get best, in ten trials of three seeds each.

python examples/optuna_search.py
"""

import time
from pathlib import Path
from statistics import fmean

import optuna

import idml

FOLDER = Path("runs") / time.strftime("optuna-%Y-%m-%d-%H%M%S")
SMALL = idml.load_config(settings=["dataset=digits", "devices=8", "encounters=80", "model=linear"])


def accuracy(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("learning_rate", 0.001, 1, log=True)
    directories = {seed: FOLDER / f"trial-{trial.number}-seed-{seed}" for seed in (1, 2, 3)}
    runs = [idml.run(path, SMALL, seed=seed, learning_rate=rate, report=False) for seed, path in directories.items()]
    return fmean(run.summary["accuracy"]["mean"] for run in runs)


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=1))
    study.optimize(accuracy, n_trials=10)
    print(f"learning_rate {study.best_params['learning_rate']:.3g}: accuracy {study.best_value:.1%}")
