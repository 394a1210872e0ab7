import hnswlib
from adapter import K, Adapter

PACKAGE = "hnswlib"


class Engine(Adapter):
    def build(self, base, threads):
        self.index = hnswlib.Index("l2" if self.metric == "l2" else "ip", self.dimensions)
        self.index.init_index(len(base), M=self.settings["m"], ef_construction=self.settings["efConstruction"])
        self.index.add_items(base, num_threads=threads)

    def prepare(self, effort, threads):
        self.index.set_ef(effort["ef"])
        self.threads = threads

    def search(self, query):
        return self.index.knn_query(query, K, num_threads=1)[0][0]

    def batch(self, queries):
        return self.index.knn_query(queries, K, num_threads=self.threads)[0]
