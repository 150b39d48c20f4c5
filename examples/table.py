"""A table of your own: 30 measurements of cells under the microscope say whether a tumour is benign.

idml run --set dataset=examples/table.py:breast_cancer --set model=mlp --set devices=20
"""

from sklearn.datasets import load_breast_cancer

import idml


def breast_cancer() -> idml.Dataset:
    bunch = load_breast_cancer()
    x, y = bunch.data, bunch.target  # every fourth row is tested on
    test = [place % 4 == 0 for place in range(len(y))]
    train = [not tested for tested in test]
    names = [str(name) for name in bunch.target_names]
    return idml.Dataset.from_arrays(x[train], y[train], x[test], y[test], class_names=names, name="breast-cancer")
