"""Sequences of tokens: eight characters of a text say which comes next.

idml run --set dataset=examples/next_character.py:letters --set model=embedding --set devices=20 --set learning_rate=0.5
"""

import numpy as np

import idml

# The House That Jack Built, a nursery rhyme (1755), in the public domain.
TEXT = """
this is the house that jack built this is the malt that lay in the house that jack built this is the rat that ate the
malt that lay in the house that jack built this is the cat that killed the rat that ate the malt that lay in the house
that jack built this is the dog that worried the cat that killed the rat that ate the malt that lay in the house that
jack built this is the cow with the crumpled horn that tossed the dog that worried the cat that killed the rat that
ate the malt that lay in the house that jack built this is the maiden all forlorn that milked the cow with the
crumpled horn that tossed the dog that worried the cat that killed the rat that ate the malt that lay in the house
that jack built this is the man all tattered and torn that kissed the maiden all forlorn that milked the cow with the
crumpled horn that tossed the dog that worried the cat that killed the rat that ate the malt that lay in the house
that jack built this is the priest all shaven and shorn that married the man all tattered and torn that kissed the
maiden all forlorn that milked the cow with the crumpled horn that tossed the dog that worried the cat that killed the
rat that ate the malt that lay in the house that jack built this is the cock that crowed in the morn that woke the
priest all shaven and shorn that married the man all tattered and torn that kissed the maiden all forlorn that milked
the cow with the crumpled horn that tossed the dog that worried the cat that killed the rat that ate the malt that lay
in the house that jack built this is the farmer sowing his corn that kept the cock that crowed in the morn that woke
the priest all shaven and shorn that married the man all tattered and torn that kissed the maiden all forlorn that
milked the cow with the crumpled horn that tossed the dog that worried the cat that killed the rat that ate the malt
that lay in the house that jack built this is the horse and the hound and the horn that belonged to the farmer sowing
his corn that kept the cock that crowed in the morn that woke the priest all shaven and shorn that married the man all
tattered and torn that kissed the maiden all forlorn that milked the cow with the crumpled horn that tossed the dog
that worried the cat that killed the rat that ate the malt that lay in the house that jack built
"""


def letters() -> idml.Dataset:
    text = " ".join(TEXT.split())
    names = sorted(set(text))
    tokens = np.array([names.index(letter) for letter in text])
    windows, following = np.lib.stride_tricks.sliding_window_view(tokens[:-1], 8), tokens[8:]
    test = np.arange(len(windows)) % 5 == 0  # every fifth window is tested on
    train = ~test
    return idml.Dataset.from_arrays(
        windows[train],
        following[train],
        windows[test],
        following[test],
        class_names=["space" if name == " " else name for name in names],
        name="next-character",
        kind="tokens",
    )
