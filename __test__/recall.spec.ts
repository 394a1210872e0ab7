// Approximate search finds nearly all of what is nearest, and never gives a wrong distance.
import test from 'ava'
import { type Codes, type Id, Index, type Metric } from '../index.ts'
import { bruteForce, clustered, distance, freshPath, range, recall, row } from './helpers.ts'

const N = 6000
const QUERIES = 40
const DIMENSIONS = 32
const ROWS = clustered(N + QUERIES, DIMENSIONS, 1)
const BASE = ROWS.subarray(0, N * DIMENSIONS)

function query(i: number): Float32Array {
  return row(ROWS, N + i, DIMENSIONS)
}

function truth(metric: Metric, alive: (id: number) => boolean = () => true): Id[][] {
  const stored = new Map<Id, Float32Array>(range(N).filter(alive).map((i) => [i, row(ROWS, i, DIMENSIONS)]))
  return range(QUERIES).map((i) => bruteForce(metric, stored, query(i)).slice(0, 10).map((hit) => hit.id))
}

interface Case {
  metric: Metric
  codes: Codes
  disk: boolean
  /** What a healthy index passes with room to spare. */
  least: number
}

const pq: Codes = { type: 'pq', bytes: 16 }
const cases: Case[] = [
  { metric: 'cosine', codes: 'none', disk: false, least: 0.97 },
  { metric: 'l2', codes: 'none', disk: false, least: 0.97 },
  { metric: 'dot', codes: 'none', disk: false, least: 0.9 },
  { metric: 'cosine', codes: 'sq8', disk: false, least: 0.95 },
  { metric: 'l2', codes: 'sq8', disk: true, least: 0.95 },
  { metric: 'cosine', codes: 'binary', disk: false, least: 0.7 },
  { metric: 'cosine', codes: pq, disk: true, least: 0.9 },
  { metric: 'l2', codes: pq, disk: false, least: 0.9 },
  { metric: 'l2', codes: { type: 'pq', bytes: 8, rotate: false }, disk: true, least: 0.8 },
]

for (const { metric, codes, disk, least } of cases) {
  test(`hnsw, ${metric}, ${JSON.stringify(codes)}, rows ${disk ? 'on disk' : 'in memory'}`, async (t) => {
    const options = { dimensions: DIMENSIONS, metric, coarse: 'hnsw', codes, vectors: disk ? 'disk' : 'memory' } as const
    const index = disk ? await Index.open(freshPath(t), options) : new Index(options)
    await index.add({ ids: range(N), vectors: BASE })
    await index.optimize()

    const stats = index.stats()
    t.is(stats.size, N)
    t.is(stats.unlinked, 0)
    t.is(stats.chosen.coarse, 'hnsw')
    t.true(stats.memory.graph > 0)
    t.is(stats.memory.codes > 0, codes !== 'none')

    const hits = range(QUERIES).map((i) => index.searchSync(query(i), { ef: 200, rerank: 200 }))
    const found = hits.map((row) => row.map((hit) => hit.id))
    const reached = recall(found, truth(metric))
    t.true(reached >= least, `recall ${reached}, wanted ${least}`)
    hits.forEach((list, i) => {
      t.is(list.length, 10)
      for (const hit of list) {
        const exact = distance(metric, query(i), row(ROWS, hit.id as number, DIMENSIONS))
        t.true(Math.abs(hit.distance - exact) <= 1e-6 * Math.abs(exact) + 1e-9, 'a distance is exact')
      }
      t.deepEqual(list.map((hit) => hit.distance), list.map((hit) => hit.distance).sort((a, b) => a - b))
    })

    // What is deleted never takes a result's place.
    await index.delete(range(N).filter((i) => i % 2 === 0))
    const odd = range(QUERIES).map((i) => index.searchSync(query(i), { ef: 200, rerank: 200 }).map((hit) => hit.id))
    t.true(odd.flat().every((id) => (id as number) % 2 === 1))
    t.true(odd.every((list) => list.length === 10))
    const left = recall(odd, truth(metric, (id) => id % 2 === 1))
    t.true(left >= least - 0.05, `recall after deletes ${left}`)
    await index.close()
  })
}

test('more effort finds more', async (t) => {
  const index = new Index({ dimensions: DIMENSIONS, metric: 'l2', coarse: 'hnsw', codes: 'none', hnsw: { m: 8, efConstruction: 60 } })
  await index.add({ ids: range(N), vectors: BASE })
  await index.optimize()
  const expected = truth('l2')
  const reached = [10, 40, 400].map((ef) => recall(range(QUERIES).map((i) => index.searchSync(query(i), { ef }).map((h) => h.id)), expected))
  t.true((reached[0] as number) <= (reached[2] as number), reached.join(', '))
  t.true((reached[2] as number) >= 0.95, reached.join(', '))
  await index.close()
})

test('rows are found before their links are made', async (t) => {
  const index = new Index({ dimensions: DIMENSIONS, metric: 'l2', coarse: 'hnsw', codes: 'none' })
  await index.add({ ids: range(N), vectors: BASE })
  for (let i = 0; i < QUERIES; i++) {
    await index.add([{ id: N + i, vector: query(i) }])
    t.is(index.searchSync(query(i), { k: 1 })[0]?.id, N + i)
  }
  await index.close()
})

test('the same seed and input give the same answers, whatever the number of threads', async (t) => {
  const answers = []
  for (const threads of [1, 2, 4]) {
    const index = new Index({ dimensions: DIMENSIONS, coarse: 'hnsw', codes: 'sq8', threads, seed: 7 })
    await index.add({ ids: range(N), vectors: BASE })
    await index.optimize()
    answers.push(range(QUERIES).map((i) => index.searchSync(query(i), { k: 20, ef: 20 })))
    await index.close()
  }
  t.deepEqual(answers[1], answers[0])
  t.deepEqual(answers[2], answers[0])
})

test('auto scans a small index, and walks a graph in a larger one', async (t) => {
  const small = new Index({ dimensions: 8 })
  await small.add({ ids: range(100), vectors: clustered(100, 8, 2) })
  await small.optimize()
  t.is(small.stats().chosen.coarse, 'flat')
  await small.close()

  const [n, dimensions] = [10_000, 256]
  const large = new Index({ dimensions, hnsw: { m: 6, efConstruction: 30 } })
  await large.add({ ids: range(n), vectors: clustered(n, dimensions, 3) })
  await large.optimize()
  t.is(large.stats().chosen.coarse, 'hnsw')
  await large.close()
})

test('train reports what it did', async (t) => {
  const index = new Index({ dimensions: DIMENSIONS, codes: { type: 'pq', bytes: 8 }, coarse: 'flat' })
  await index.add({ ids: range(N), vectors: BASE })
  const report = await index.train({ sample: 5000 })
  t.is(report.codes, 'pq')
  t.is(report.rows, N)
  t.is(report.sample, 5000)
  t.true(report.bytesPerRow >= 8)
  t.true(report.ms > 0)
  t.true(report.error > 0 && report.error < 1, `relative error ${report.error}`)
  const hits = index.searchSync(query(0), { rerank: 300 })
  t.is(hits.length, 10)
  await index.close()
})
