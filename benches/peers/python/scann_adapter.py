import scann
from adapter import K, Adapter

PACKAGE = "scann"


class Engine(Adapter):
    """A tree over score-aware (anisotropic) product quantization, the best candidates ordered once more by the rows."""

    def build(self, base, threads):
        metric = "squared_l2" if self.metric == "l2" else "dot_product"
        leaves = round(self.settings["leaves"] * len(base) ** 0.5)
        soar = {"soar_lambda": 1.5, "overretrieve_factor": 2.0} if self.settings.get("soar") else {}
        spherical = self.metric != "l2"
        builder = scann.scann_ops_pybind.builder(base, K, metric).set_n_training_threads(threads)
        builder = builder.tree(leaves, 10, training_sample_size=min(len(base), 250_000), spherical=spherical, **soar)
        # the score-aware loss is for inner products
        threshold = 0.2 if spherical else float("nan")
        self.index = builder.score_ah(2, anisotropic_quantization_threshold=threshold).reorder(100).build()
        self.index.set_num_threads(threads)

    def prepare(self, effort, threads):
        self.reorder, self.leaves = effort["reorder"], effort["leaves"]

    def search(self, query):
        return self.index.search(query, K, self.reorder, self.leaves)[0]

    def batch(self, queries):
        return self.index.search_batched_parallel(queries, K, self.reorder, self.leaves)[0]
