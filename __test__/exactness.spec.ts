// An exact scan gives what a float64 brute force over the stored rows gives, in every metric and precision.
import test from 'ava'
import { type Hit, type Id, Index, type Metric } from '../index.ts'
import { assertExact, bruteForce, clustered, distance, freshPath, random, range, row, storedRows } from './helpers.ts'

const METRICS: Metric[] = ['cosine', 'dot', 'l2']
const PRECISIONS = ['f32', 'f16', 'i8'] as const

/** Both kinds of id, in an order unlike that of the rows. */
function idOf(i: number): Id {
  return i % 3 ? (i * 7919) % 100_003 : `t${i}`
}

for (const metric of METRICS) {
  for (const precision of PRECISIONS) {
    for (const dimensions of [1, 7, 64, 100]) {
      test(`${metric}, ${precision}, ${dimensions} dimensions`, async (t) => {
        const n = 600
        const rows = clustered(n + 30, dimensions, dimensions)
        const index = new Index({ dimensions, metric, precision, coarse: 'flat', codes: 'none' })
        await index.add(range(n).map((i) => ({ id: idOf(i), vector: row(rows, i, dimensions) })))
        const stored = await storedRows(index)
        t.is(stored.size, n)
        for (let q = n; q < n + 30; q++) {
          const query = row(rows, q, dimensions)
          const truth = bruteForce(metric, stored, query)
          assertExact(t, index.searchSync(query, { k: 20 }), truth, 20)
        }
        // A stored row is its own nearest, but for dot.
        const query = row(rows, 5, dimensions)
        assertExact(t, await index.search(query, { k: n }), bruteForce(metric, stored, query), n)
        await index.close()
      })
    }
  }
}

test('f16 stores the nearest half, i8 a multiple of one step a row', async (t) => {
  const dimensions = 33
  const rows = clustered(50, dimensions, 3)
  const items = range(50).map((id) => ({ id, vector: row(rows, id, dimensions) }))
  const half = new Index({ dimensions, precision: 'f16' })
  const byte = new Index({ dimensions, precision: 'i8' })
  await half.add(items)
  await byte.add(items)
  const halves = await storedRows(half)
  const bytes = await storedRows(byte)
  for (const { id, vector } of items) {
    const most = Math.max(...vector.map(Math.abs))
    vector.forEach((value, j) => {
      // Half a unit in the last of 11 bits; half a step of 127.
      t.true(Math.abs((halves.get(id)?.[j] as number) - value) <= Math.abs(value) * 2 ** -11 + 2 ** -25)
      t.true(Math.abs((bytes.get(id)?.[j] as number) - value) <= most / 254 + 1e-6)
    })
    // Storing what is stored changes nothing: what get gives is what is there.
    t.true((halves.get(id) as Float32Array).some((value, j) => value !== vector[j]))
  }
  const again = new Index({ dimensions, precision: 'f16' })
  await again.add(items.map(({ id }) => ({ id, vector: halves.get(id) as Float32Array })))
  t.deepEqual(await storedRows(again), halves)
  await Promise.all([half.close(), byte.close(), again.close()])
})

test('values that half precision cannot hold are refused, or stored as get says', async (t) => {
  const index = new Index({ dimensions: 2, metric: 'l2', precision: 'f16', coarse: 'flat' })
  const outcome = await index.add([{ id: 1, vector: [1e6, 1] }]).then(
    () => 'added',
    (error) => error.code,
  )
  if (outcome === 'added') {
    const stored = await storedRows(index)
    t.true((stored.get(1) as Float32Array).every(Number.isFinite))
    assertExact(t, index.searchSync([1, 1]), bruteForce('l2', stored, [1, 1]), 10)
  } else {
    t.true(['E_ARGUMENT', 'E_NOT_FINITE'].includes(outcome), outcome)
    t.is(index.size, 0)
  }
  await index.close()
})

test('cosine lies in [0, 2]', async (t) => {
  const dimensions = 50
  const rows = clustered(40, dimensions, 5)
  const index = new Index({ dimensions, coarse: 'flat' })
  const opposite = rows.map((value) => -value)
  await index.add({ ids: range(40), vectors: rows })
  await index.add({ ids: range(40, 40), vectors: opposite })
  for (let i = 0; i < 40; i++) {
    const hits = index.searchSync(row(rows, i, dimensions), { k: 80 })
    t.true(hits.every((hit) => hit.distance >= 0 && hit.distance <= 2))
    t.is(hits[0]?.id, i)
    t.is(hits[79]?.id, i + 40)
    t.true((hits[0] as Hit).distance < 1e-6)
    t.true((hits[79] as Hit).distance > 2 - 1e-6)
  }
  await index.close()
})

test('huge and tiny values keep their distances', async (t) => {
  const index = new Index({ dimensions: 3, metric: 'l2', coarse: 'flat' })
  const vectors = [[1e18, 0, 0], [1e-20, 0, 0], [0, 3e-39, 0], [-1e18, 1e18, 1], [0, 0, 0]]
  await index.add(vectors.map((vector, id) => ({ id, vector })))
  const stored = await storedRows(index)
  for (const query of vectors) assertExact(t, index.searchSync(query), bruteForce('l2', stored, Float32Array.from(query)), 10)
  await index.close()
  const cosine = new Index({ dimensions: 3, coarse: 'flat' })
  await cosine.add([
    { id: 'huge', vector: [1e30, 1e30, 0] },
    { id: 'tiny', vector: [1e-30, 0, 0] },
    { id: 'one', vector: [0, 0, 1] },
  ])
  const rows = await storedRows(cosine)
  const tiny = Float32Array.of(1e-25, 1e-25, 1e-25)
  assertExact(t, cosine.searchSync(tiny), bruteForce('cosine', rows, tiny), 10)
  await cosine.close()
})

test('one vector finds, another verifies', async (t) => {
  const dimensions = 16
  const rows = clustered(300, dimensions, 8)
  const index = new Index({ dimensions, metric: 'l2', coarse: 'flat', codes: 'none' })
  await index.add({ ids: range(300), vectors: rows })
  const candidates = row(rows, 1, dimensions)
  const verify = row(rows, 2, dimensions)
  for (const hits of [
    await index.search({ candidates, verify }, { k: 10, rerank: 40 }),
    await index.search({ vector: verify, candidates }, { k: 10, rerank: 40 }),
    index.searchSync({ vector: candidates, verify }, { k: 10, rerank: 40 }),
  ]) {
    t.is(hits.length, 10)
    for (const hit of hits) {
      const expected = distance('l2', verify, row(rows, hit.id as number, dimensions))
      t.true(Math.abs(hit.distance - expected) <= 1e-6 * expected + 1e-9)
    }
    t.deepEqual(hits.map((hit) => hit.distance), hits.map((hit) => hit.distance).sort((a, b) => a - b))
  }
  await index.close()
})

test('rows on disk are as exact as rows in memory', async (t) => {
  const dimensions = 20
  const next = random(21)
  const rows = clustered(500, dimensions, 21)
  for (const precision of PRECISIONS) {
    const index = await Index.open(freshPath(t), { dimensions, metric: 'l2', precision, coarse: 'flat', codes: 'none', vectors: 'disk' })
    await index.add({ ids: range(500), vectors: rows })
    await index.delete(range(20, 100))
    const stored = await storedRows(index)
    t.is(stored.size, 480)
    for (let q = 0; q < 10; q++) {
      const query = row(rows, Math.floor(next() * 500), dimensions)
      assertExact(t, await index.search(query, { k: 15 }), bruteForce('l2', stored, query), 15)
    }
    await index.close()
  }
})
