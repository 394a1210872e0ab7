"""debian.py OUT CACHE: the package descriptions of the Debian that runs this, embedded with all-MiniLM-L6-v2.

Writes base.f32, a distinct paragraph of a long description a row, and queries.f32, one-line synopses of packages, in random
order. Both of unit length, 384 dimensions."""
import os
import re
import sys

import numpy as np
from minilm import Embedder
from packages import Debian

OUT, CACHE = sys.argv[1:]
QUERIES, SEED = 3000, 20240601
# shorter ones say little
LEAST_PARAGRAPH, LEAST_SYNOPSIS = 60, 12


def descriptions():
    """(synopsis, paragraphs) of each package; of equal synopses the first."""
    seen = set()
    for text in Debian(CACHE).texts("Translation-en"):
        for record in text.split("\n\n"):
            found = re.search(r"^Description-en: (.*)\n((?: .*\n?)*)", record, re.M)
            if not found or found[1] in seen:
                continue
            seen.add(found[1])
            paragraphs = [" ".join(part.split()) for part in re.split(r"^ \.$", found[2], flags=re.M)]
            yield found[1].strip(), [part for part in paragraphs if len(part) >= LEAST_PARAGRAPH]


def main():
    described = [(synopsis, paragraphs) for synopsis, paragraphs in descriptions() if paragraphs and len(synopsis) >= LEAST_SYNOPSIS]
    rows = list(dict.fromkeys(paragraph for _, paragraphs in described for paragraph in paragraphs))
    order = np.random.default_rng(SEED).permutation(len(described))[:QUERIES]
    embedder = Embedder(CACHE)
    for name, texts in (("queries", [described[i][0] for i in order]), ("base", rows)):
        embedder.encode(name, texts).tofile(os.path.join(OUT, f"{name}.f32"))


main()
