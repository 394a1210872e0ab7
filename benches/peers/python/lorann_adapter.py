import lorann
from adapter import K, Adapter, power_of_two

PACKAGE = "lorann"


class Engine(Adapter):
    """Reduced-rank regression a cluster. Its documentation names the clusters (about sqrt(rows)) and the reduced dimensions."""

    def build(self, base, threads):
        reduced = None if self.dimensions < 200 else 128 if self.dimensions <= 1000 else 256
        self.index = lorann.LorannIndex(
            base,
            power_of_two(len(base) ** 0.5),
            reduced,
            quantization_bits=self.settings["bits"],
            rank=self.settings["rank"],
            distance=lorann.L2 if self.metric == "l2" else lorann.IP,
        )
        self.index.build(n_threads=threads)

    def prepare(self, effort, threads):
        self.clusters, self.rerank, self.threads = effort["clusters"], effort["rerank"], threads

    def search(self, query):
        return self.index.search(query, K, self.clusters, self.rerank, n_threads=1)

    def batch(self, queries):
        return self.index.search(queries, K, self.clusters, self.rerank, n_threads=self.threads)
