// Lists around centroids: exact where everything is looked at, good where little is, and never without the newest row.
import test from 'ava'
import { type Hit, type Id, Index, type IndexOptions, type Metric, type SearchOptions } from '../index.ts'
import { assertExact, bruteForce, clustered, freshPath, range, recall, rejects, row, storedRows } from './helpers.ts'

const METRICS: Metric[] = ['cosine', 'dot', 'l2']
const PRECISIONS = ['f32', 'f16', 'i8'] as const
const [N, D, QUERIES] = [4500, 16, 12]
const ROWS = clustered(N + QUERIES, D, 31)

function query(i: number): Float32Array {
  return row(ROWS, N + i, D)
}

/** Every list is looked into, and every row found there compared. */
function everything(k: number): SearchOptions {
  return { k, probes: 2 ** 20, rerank: 2 ** 20 }
}

function items(ids: number[]): { id: Id; vector: Float32Array }[] {
  return ids.map((i) => ({ id: i % 3 ? i : `t${i}`, vector: row(ROWS, i, D) }))
}

async function create(path: string | undefined, options: Partial<IndexOptions>): Promise<Index> {
  const all = { dimensions: D, coarse: 'ivf', ...options } as const
  return path === undefined ? new Index(all) : await Index.open(path, { vectors: 'disk', ...all })
}

async function assertAll(t: Parameters<typeof assertExact>[0], index: Index, metric: Metric, ks: number[]): Promise<void> {
  const stored = await storedRows(index)
  for (const i of range(QUERIES)) {
    const truth = bruteForce(metric, stored, query(i))
    for (const k of ks) assertExact(t, index.searchSync(query(i), everything(k)), truth, k)
  }
}

for (const metric of METRICS) {
  for (const precision of PRECISIONS) {
    for (const disk of [false, true]) {
      test(`all lists hold all rows: ${metric}, ${precision}, rows ${disk ? 'on disk' : 'in memory'}`, async (t) => {
        const index = await create(disk ? freshPath(t) : undefined, { metric, precision })
        await index.add(items(range(N)))
        await index.optimize()
        t.like(index.stats(), { size: N, unlinked: 0, chosen: { coarse: 'ivf' } })
        await assertAll(t, index, metric, [1, 10, 100, 1000])
        await index.close()
      })
    }
  }
}

for (const codes of ['none', 'sq8', 'sq4', 'binary', { type: 'pq', bytes: 4 }, { type: 'rabitq' }, { type: 'rabitq', bits: 3 }] as const) {
  test(`all lists hold all rows: codes ${JSON.stringify(codes)}`, async (t) => {
    const index = await create(freshPath(t), { metric: 'cosine', codes })
    await index.add(items(range(N)))
    await index.optimize()
    t.is(index.stats().unlinked, 0)
    await assertAll(t, index, 'cosine', [1, 1000])
    await index.close()
  })
}

test('some of the lists hold most of what is near, more of them more, and threads change nothing', async (t) => {
  const stored = new Map<Id, Float32Array>(range(N).map((i) => [i, row(ROWS, i, D)]))
  const truth = range(QUERIES).map((i) => bruteForce('l2', stored, query(i)).slice(0, 10).map((hit) => hit.id))
  const answers: Hit[][][] = []
  for (const threads of [1, 3]) {
    const index = await create(undefined, { metric: 'l2', threads, seed: 4, ivf: { lists: 100 } })
    await index.add({ ids: range(N), vectors: ROWS.subarray(0, N * D) })
    await index.optimize()
    const { chosen, memory } = index.stats()
    t.like(chosen, { coarse: 'ivf', lists: 100 })
    t.true((chosen.imbalance as number) >= 1 && (chosen.imbalance as number) <= 100)
    t.deepEqual(chosen.codes, { type: 'pq', bytes: D / 4, rotate: false })
    // A quarter of a byte a dimension, and a term that squared distances need.
    t.true(memory.codes >= N * (D / 4 + 4) && memory.graph >= N * 4)
    const of = (probes: number) => range(QUERIES).map((i) => index.searchSync(query(i), { probes, rerank: 200 }))
    answers.push(of(5))
    const found = [1, 5, 100].map((probes) => recall(of(probes).map((hits) => hits.map((hit) => hit.id)), truth))
    t.true((found[0] as number) < 1 && (found[1] as number) >= (found[0] as number) && (found[2] as number) >= (found[1] as number), `${found}`)
    t.true((found[1] as number) > 0.5 && (found[2] as number) > 0.97, `${found}`)
    await index.close()
  }
  t.deepEqual(answers[1], answers[0])
})

test('what was added is found at once, what was deleted never, and both after reopening', async (t) => {
  const path = freshPath(t)
  const index = await create(path, { metric: 'l2' })
  await index.add(items(range(3000)))
  await index.optimize()
  for (const i of range(20, 3000)) {
    await index.add(items([i]))
    t.is(index.searchSync(row(ROWS, i, D), { k: 1, probes: 1 })[0]?.distance, 0)
  }
  await index.add(items(range(N - 3020, 3020)))
  // A replaced row is where it is now.
  await index.add([{ id: 1, vector: row(ROWS, 2, D) }])
  const gone = items(range(N)).map(({ id }) => id).filter((_, i) => i % 4 === 0)
  t.is(await index.delete(gone), gone.length)
  await assertAll(t, index, 'l2', [10, 200])
  const dead = new Set(gone)
  for (const i of range(QUERIES)) {
    const hits = index.searchSync(query(i), { k: 50 })
    t.true(hits.length === 50 && hits.every((hit) => !dead.has(hit.id)))
  }
  await index.close()
  const again = await Index.open(path)
  t.like(again.options, { coarse: 'ivf', metric: 'l2' })
  await assertAll(t, again, 'l2', [10, 200])
  await again.optimize()
  t.like(again.stats(), { size: N - gone.length, deleted: 0, unlinked: 0 })
  await assertAll(t, again, 'l2', [10, 200])
  const before = range(QUERIES).map((i) => again.searchSync(query(i)))
  await again.close()
  const reader = await Index.open(path, { readOnly: true })
  t.deepEqual(range(QUERIES).map((i) => reader.searchSync(query(i))), before)
  t.true((await reader.verify()).ok)
  await reader.close()
})

for (const size of [0, 1, 2, 33, 255]) {
  test(`an index of ${size} rows compares them all`, async (t) => {
    for (const metric of METRICS) {
      const index = await create(undefined, { metric, ivf: { lists: 7 } })
      await index.add(items(range(size)))
      await index.optimize()
      const stored = await storedRows(index)
      for (const k of [1, 10, 1000]) {
        assertExact(t, index.searchSync(query(0), { k, probes: 1 }), bruteForce(metric, stored, query(0)), k)
      }
      await index.close()
    }
  })
}

for (const [dimensions, n] of [[1, 2500], [3, 2500], [4096, 2100]] as const) {
  test(`${dimensions} dimensions`, async (t) => {
    const rows = clustered(n + 3, dimensions, dimensions)
    for (const metric of METRICS) {
      const index = new Index({ dimensions, metric, coarse: 'ivf', ivf: { lists: 12 } })
      await index.add({ ids: range(n), vectors: rows.subarray(0, n * dimensions) })
      await index.optimize()
      t.is(index.stats().unlinked, 0)
      const stored = new Map<Id, Float32Array>(range(n).map((i) => [i, row(rows, i, dimensions)]))
      for (const i of range(3, n)) {
        const truth = bruteForce(metric, stored, row(rows, i, dimensions))
        assertExact(t, index.searchSync(row(rows, i, dimensions), everything(100)), truth, 100)
      }
      await index.close()
    }
  })
}

test('probes mean nothing where there are no lists', async (t) => {
  for (const coarse of ['flat', 'hnsw', 'auto'] as const) {
    const index = await create(undefined, { coarse, codes: 'none', metric: 'l2' })
    await index.add(items(range(N)))
    await index.optimize()
    t.deepEqual(index.searchSync(query(0), { probes: 1 }), index.searchSync(query(0)))
    t.is(index.stats().chosen.lists, undefined)
    await index.close()
  }
})

test('an index keeps the lists it was made with', async (t) => {
  const path = freshPath(t)
  const index = await create(path, { ivf: { lists: 20 } })
  await index.add(items(range(2500)))
  await index.close()
  await rejects(t, Index.open(path, { ivf: { lists: 21 } }), 'E_ARGUMENT', /ivf\.lists.*21.*20/)
  await rejects(t, Index.open(path, { coarse: 'hnsw' }), 'E_ARGUMENT', /coarse.*hnsw.*ivf/)
  const again = await Index.open(path, { coarse: 'ivf', ivf: { lists: 20 } })
  await again.optimize()
  t.is(again.stats().chosen.lists, 20)
  await again.close()
})
