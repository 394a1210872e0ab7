// Many calls at once: every search sees a whole state, at least as new as the writes that resolved before it.
import test from 'ava'
import { Index } from '../index.ts'
import { clustered, range, row } from './helpers.ts'

for (const coarse of ['flat', 'hnsw'] as const) {
  test(`200 searches at a time while rows are added and deleted: ${coarse}`, async (t) => {
    const dimensions = 24
    const n = 4000
    const rows = clustered(n, dimensions, 5)
    const index = new Index({ dimensions, metric: 'l2', coarse, codes: 'none', threads: 4 })
    const half = n / 2
    await index.add({ ids: range(half), vectors: rows.subarray(0, half * dimensions) })
    await index.optimize()
    let resolved = half
    let writing = true
    const writer = (async () => {
      for (let from = half; from < n; from += 100) {
        await index.add({ ids: range(100, from), vectors: rows.subarray(from * dimensions, (from + 100) * dimensions) })
        resolved = from + 100
        // Its own id again: replaced, never there twice or not at all.
        await index.add([{ id: from, vector: row(rows, from, dimensions) }])
      }
      writing = false
    })()
    let searches = 0
    while (writing || searches === 0) {
      const wanted = range(200).map((i) => (i * 7919 + searches) % resolved)
      const found = await Promise.all(wanted.map((id) => index.search(row(rows, id, dimensions), { k: 5, ef: 100 })))
      searches += found.length
      found.forEach((hits, i) => {
        t.is(hits[0]?.distance, 0)
        t.is(hits[0]?.id, wanted[i] as number)
        t.is(new Set(hits.map((hit) => hit.id)).size, 5)
        t.true(hits.every((hit, j) => j === 0 || hit.distance >= (hits[j - 1]?.distance as number)))
      })
    }
    await writer
    t.is(index.size, n)
    t.is(new Set(index.ids()).size, n)
    await index.close()
  })
}

test('searches go on while an optimize runs', async (t) => {
  const dimensions = 48
  const n = 6000
  const rows = clustered(n, dimensions, 6)
  const index = new Index({ dimensions, coarse: 'hnsw', codes: 'none', threads: 2, hnsw: { m: 32, efConstruction: 400 } })
  await index.add({ ids: range(n), vectors: rows })
  let optimizing = true
  const optimize = index.optimize().then(() => (optimizing = false))
  let meanwhile = 0
  do {
    const hits = await index.search(row(rows, meanwhile % n, dimensions), { k: 1 })
    t.is(hits[0]?.id, meanwhile % n)
    if (optimizing) meanwhile++
  } while (optimizing && meanwhile < 200)
  t.true(meanwhile > 1, 'the optimize was waited for')
  await optimize
  await index.close()
})

test('many indexes at once', async (t) => {
  const rows = clustered(300, 8, 7)
  const indexes = range(20).map((seed) => new Index({ dimensions: 8, seed, threads: 2 }))
  await Promise.all(indexes.map((index) => index.add({ ids: range(300), vectors: rows })))
  const hits = await Promise.all(indexes.map((index, i) => index.search(row(rows, i, 8), { k: 1 })))
  t.deepEqual(hits.map((one) => one[0]?.id), range(20))
  await Promise.all(indexes.map((index) => index.close()))
})

test('indexes that nobody closes go away without harm', async (t) => {
  for (let i = 0; i < 200; i++) {
    const index = new Index({ dimensions: 8 })
    await index.add([{ id: 1, vector: new Float32Array(8).fill(1) }])
    t.is((await index.search(new Float32Array(8).fill(1)))[0]?.id, 1)
  }
})
