import os

import ngtpy
from adapter import K, Adapter

PACKAGE = "ngt"


class Engine(Adapter):
    """ANNG: the wheel lacks the programs that make NGT's quantized graphs."""

    def build(self, base, threads):
        folder = os.path.join(self.scratch, "anng")
        ngtpy.create(folder, self.dimensions, edge_size_for_creation=self.settings["edges"], edge_size_for_search=-2,
                     distance_type="L2" if self.metric == "l2" else "Cosine")
        self.index = ngtpy.Index(folder)
        self.index.batch_insert(base, num_threads=threads)

    def prepare(self, effort, threads):
        self.epsilon = effort["epsilon"]

    def search(self, query):
        return self.index.search(query, K, epsilon=self.epsilon, with_distance=False)
