import glass
import numpy as np
from adapter import K, Adapter

PACKAGE = "pyglass-portable"


def rows(answer):
    """Some versions give distances too."""
    return np.asarray(answer[0] if isinstance(answer, tuple) else answer)


class Engine(Adapter):
    """HNSW walked over 8-bit codes, ordered once more by 16-bit rows."""

    def build(self, base, threads):
        metric = "L2" if self.metric == "l2" else "IP"
        glass.set_num_threads(threads)
        graph = glass.Index("HNSW", metric, "FP32", R=2 * self.settings["m"], L=self.settings["efConstruction"]).build(base)
        self.index = glass.Searcher(graph, base, metric, self.settings["codes"], "FP16")
        self.index.set_ef(32)
        self.index.optimize(1)  # finds how far to prefetch

    def prepare(self, effort, threads):
        self.threads = threads
        glass.set_num_threads(threads)
        self.index.set_ef(effort["ef"])

    def search(self, query):
        return rows(self.index.search(query, K))

    def batch(self, queries):
        return rows(self.index.batch_search(queries, K, self.threads)).reshape(len(queries), K)
