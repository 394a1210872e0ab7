// search({ recall }): what is asked for is found, on queries that the index has never seen.
import test from 'ava'
import { Index, type IndexOptions } from '../index.ts'
import { bruteForce, clustered, distance, freshPath, range, row } from './helpers.ts'

const [N, D, QUERIES] = [8000, 24, 1000]
// One draw of the same clusters: the last rows are never added.
const ROWS = clustered(N + QUERIES, D, 77, 300)

/** The distances of each query's nearest, ascending. */
function truthOf(metric: 'l2' | 'cosine'): Float64Array[] {
  const rows = range(N).map((i) => row(ROWS, i, D))
  return range(QUERIES).map((i) => Float64Array.from(rows, (one) => distance(metric, row(ROWS, N + i, D), one)).sort().slice(0, 100))
}

const truths = { l2: truthOf('l2'), cosine: truthOf('cosine') }

/** The mean share of the true nearest that searches find. */
function recallOf(index: Index, metric: 'l2' | 'cosine', k: number, recall: number): number {
  let found = 0
  for (const i of range(QUERIES)) {
    const bound = truths[metric][i]?.[k - 1] as number
    const hits = index.searchSync(row(ROWS, N + i, D), { k, recall })
    found += hits.filter((hit) => hit.distance <= bound * (1 + 1e-6) + 1e-6).length
  }
  return found / (QUERIES * k)
}

const KINDS: (Partial<IndexOptions> & { metric: 'l2' | 'cosine' })[] = [
  { metric: 'l2', coarse: 'hnsw', codes: 'none', hnsw: { m: 6, efConstruction: 40 } },
  { metric: 'cosine', coarse: 'hnsw', codes: 'sq8', hnsw: { m: 8 } },
  { metric: 'cosine', coarse: 'hnsw', codes: { type: 'pq', bytes: 8 }, hnsw: { m: 8 } },
  { metric: 'l2', coarse: 'flat', codes: 'binary' },
  { metric: 'cosine', coarse: 'ivf' },
  { metric: 'l2', coarse: 'ivf', codes: 'none' },
]

for (const kind of KINDS) {
  test(`a recall that is asked for is found: ${JSON.stringify(kind)}`, async (t) => {
    const index = new Index({ dimensions: D, ...kind })
    await index.add({ ids: range(N), vectors: ROWS.subarray(0, N * D) })
    await index.optimize()
    const { measured } = index.stats()
    t.deepEqual([...new Set(measured.map(({ k }) => k))], [1, 10, 100])
    for (const k of [1, 10, 60]) {
      for (const recall of [0.9, 0.99]) {
        const found = recallOf(index, kind.metric, k, recall)
        t.true(found >= recall - 0.01, `k ${k}: ${found} found, ${recall} asked for`)
      }
    }
    await index.close()
  })
}

test('what was measured is kept with the index, and measured again when it has grown', async (t) => {
  const directory = freshPath(t)
  const options = { dimensions: D, metric: 'l2', coarse: 'hnsw', codes: 'none' } as const
  const index = await Index.open(directory, options)
  await index.add({ ids: range(2500), vectors: ROWS.subarray(0, 2500 * D) })
  t.deepEqual(index.stats().measured, [], 'nothing was asked, nothing is known')
  await index.optimize()
  const { measured } = index.stats()
  t.true(measured.length > 0)
  await index.close()
  const reader = await Index.open(directory, { readOnly: true })
  t.deepEqual(reader.stats().measured, measured)
  await reader.close()
  const again = await Index.open(directory)
  await again.add({ ids: range(4000, 2500), vectors: ROWS.subarray(2500 * D, 6500 * D) })
  const before = again.stats().measured
  t.deepEqual(before, measured)
  // Asking for a recall of an index that is another by now has it measured in the background.
  while (JSON.stringify(again.stats().measured) === JSON.stringify(before)) {
    await again.search(row(ROWS, N, D), { recall: 0.9 })
  }
  t.true(again.stats().measured.length > 0)
  await again.close()
})

test('until it is known what an effort finds, everything is compared', async (t) => {
  const index = new Index({ dimensions: D, metric: 'l2', coarse: 'hnsw', codes: 'none', hnsw: { m: 4, efConstruction: 10 } })
  await index.add({ ids: range(1500), vectors: ROWS.subarray(0, 1500 * D) })
  await index.optimize()
  const all = new Map(range(1500).map((i) => [i, row(ROWS, i, D)]))
  for (const i of range(20)) {
    const query = row(ROWS, N + i, D)
    const hits = index.searchSync(query, { recall: 0.1 })
    t.deepEqual(hits.map(({ id }) => id), bruteForce('l2', all, query).slice(0, 10).map(({ id }) => id))
  }
  await index.close()
})
