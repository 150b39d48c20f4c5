"""A source of contacts of your own: devices stand in a circle, and each meets the next ones in turn.

python examples/custom_contacts.py
idml run --set contacts=examples/custom_contacts.py:Circle --set devices=10
"""

from collections.abc import Iterator

import idml


class Circle(idml.ContactSource):
    """In the first round each meets the next device of a circle, then the one after it, and so on."""

    def contacts(self, devices: int, count: int, seed: int, interval_s: int) -> Iterator[idml.Contact]:
        for index in range(count):
            turn, learner = divmod(index, devices)
            step = 1 + turn % (devices - 1)  # never 0: nobody meets itself
            yield idml.Contact(index, turn + 1, learner, (learner + step) % devices, index * interval_s, duration_s=600)


if __name__ == "__main__":
    idml.check_contacts(Circle())  # says what is wrong before a run does
