// Many queries at once give what each gives alone.
import test from 'ava'
import { type Codes, type Id, Index, type Matches } from '../index.ts'
import { clustered, range, row } from './helpers.ts'

const D = 24
const N = 3000
const ROWS = clustered(N, D, 31)
const QUERIES = clustered(57, D, 32)

async function build(codes: Codes, coarse: 'flat' | 'hnsw'): Promise<Index> {
  const index = new Index({ dimensions: D, codes, coarse })
  const ids: Id[] = range(N).map((i) => (i % 2 ? i : `t${i}`))
  await index.add({ ids, vectors: ROWS, metadata: range(N).map((i) => (i % 5 ? { i } : undefined)) })
  await index.optimize()
  return index
}

for (const [codes, coarse] of [['none', 'flat'], ['none', 'hnsw'], ['sq8', 'hnsw'], [{ type: 'pq', bytes: 12 }, 'flat']] as const) {
  test(`batch, single and sync agree: ${JSON.stringify(codes)}, ${coarse}`, async (t) => {
    const index = await build(codes, coarse)
    for (const options of [{}, { k: 3 }, { k: 25, ef: 60, rerank: 60 }, { k: 5, include: ['metadata', 'vector'] as const }]) {
      const search = { ...options, include: options.include && [...options.include] }
      const matches = await index.searchBatch(QUERIES, search)
      t.is(matches.count, 57)
      for (let q = 0; q < 57; q++) {
        const query = row(QUERIES, q, D)
        const alone = await index.search(query, search)
        t.deepEqual(matches.hits(q), alone)
        t.deepEqual(index.searchSync(query, search), alone)
        t.deepEqual(matches.ids(q), alone.map((hit) => hit.id))
        t.deepEqual(matches.distances(q), Float32Array.from(alone, (hit) => hit.distance))
      }
    }
    await index.close()
  })
}

test('every form of queries and every number of threads gives the same', async (t) => {
  const index = await build('none', 'hnsw')
  const vectors = range(57).map((i) => row(QUERIES, i, D))
  const all = (matches: Matches) => range(57).map((q) => matches.hits(q))
  const expected = all(await index.searchBatch(QUERIES))
  t.deepEqual(all(await index.searchBatch(vectors)), expected)
  t.deepEqual(all(await index.searchBatch(vectors.map((vector) => Array.from(vector)))), expected)
  t.deepEqual(all(await index.searchBatch(vectors.map((vector) => Float64Array.from(vector)))), expected)
  for (const threads of [1, 2, 3, 64]) t.deepEqual(all(await index.searchBatch(QUERIES, { threads })), expected)
  await index.close()
})

test('matches are copies: they outlive the index and each other', async (t) => {
  const index = await build('none', 'flat')
  const matches = await index.searchBatch(QUERIES, { k: 4, include: ['vector', 'metadata'] })
  const before = matches.hits(3)
  matches.ids(3).fill(0)
  matches.distances(3).fill(0)
  for (const hit of matches.hits(3)) {
    hit.vector?.fill(0)
    hit.distance = 0
  }
  await index.delete(index.ids())
  await index.close()
  t.deepEqual(matches.hits(3), before)
  t.deepEqual(matches.ids(3), before.map((hit) => hit.id))
})

test('rows may be shorter than k', async (t) => {
  const index = new Index({ dimensions: 2 })
  await index.add([{ id: 1, vector: [1, 1] }, { id: 2, vector: [1, 2] }])
  const matches = await index.searchBatch([[1, 1], [1, 2]], { k: 5 })
  t.deepEqual([matches.ids(0), matches.ids(1)], [[1, 2], [2, 1]])
  t.is(matches.distances(1).length, 2)
  await index.close()
})
