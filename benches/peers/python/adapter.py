"""What an engine of the Python world must be able to do to take part. A module a library; importing it loads the library."""
import math

K = 10


class Adapter:
    """One index. `settings` are the row's, from engines.ts; rows are of unit length where `metric` is cosine."""

    def __init__(self, metric, dimensions, settings, scratch):
        self.metric, self.dimensions, self.settings = metric, dimensions, settings
        self.scratch = scratch  # a folder for files, gone when the process ends

    def build(self, base, threads):
        raise NotImplementedError

    def prepare(self, effort, threads):
        """Called before searches of another effort or another number of threads."""
        raise NotImplementedError

    def search(self, query):
        """The K nearest rows of one query, on one thread."""
        raise NotImplementedError

    batch = None
    """batch(queries): the K nearest rows of each, on the threads that were prepared; None where the library has no such call."""


def power_of_two(value):
    """The one nearest to `value` on a logarithmic scale."""
    return 1 << round(math.log2(value))
