// Items come, change and go: ids of both kinds, metadata, order.
import test from 'ava'
import { type Id, Index, type Item, type Metadata } from '../index.ts'
import { bruteForce, clustered, compareIds, random, range, rejects, row } from './helpers.ts'

test('get gives what was added, bit for bit', async (t) => {
  const index = new Index({ dimensions: 4, metric: 'l2' })
  const values = Float32Array.of(0.1, -1e-40, 3.4e38, -0)
  await index.add([{ id: 5, vector: values, metadata: { a: [1, { b: null }], s: 'é\u0000😀' } }])
  const [item] = await index.get([5])
  t.deepEqual(Object.keys(item as Item).sort(), ['id', 'metadata', 'vector'])
  t.deepEqual(new Uint8Array((item?.vector as Float32Array).buffer), new Uint8Array(values.buffer))
  t.deepEqual(item?.metadata, { a: [1, { b: null }], s: 'é\u0000😀' })
  await index.close()
})

test('cosine does not normalise what it stores', async (t) => {
  const index = new Index({ dimensions: 2 })
  await index.add([{ id: 1, vector: [30, 40] }])
  t.deepEqual((await index.get([1]))[0]?.vector, Float32Array.of(30, 40))
  await index.close()
})

test('vectors of every kind are taken', async (t) => {
  const index = new Index({ dimensions: 3, metric: 'l2' })
  const shared = new Float32Array(new SharedArrayBuffer(12))
  shared.set([1, 2, 3])
  const offset = Float32Array.of(9, 9, 1, 2, 3, 9).subarray(2, 5)
  const kinds = [[1, 2, 3], Float32Array.of(1, 2, 3), Float64Array.of(1, 2, 3), Object.freeze([1, 2, 3]), shared, offset]
  await index.add(kinds.map((vector, id) => ({ id, vector })))
  for (const item of await index.get(range(kinds.length))) t.deepEqual(item?.vector, Float32Array.of(1, 2, 3))
  for (const query of kinds) t.is(index.searchSync(query, { k: 1 })[0]?.distance, 0)
  for (const query of kinds) t.is((await index.search({ vector: query }, { k: 1 }))[0]?.distance, 0)
  await index.close()
})

test('doubles are rounded to the nearest float', async (t) => {
  const index = new Index({ dimensions: 2, metric: 'l2' })
  await index.add([{ id: 1, vector: [0.1, 1 / 3] }])
  t.deepEqual((await index.get([1]))[0]?.vector, Float32Array.of(Math.fround(0.1), Math.fround(1 / 3)))
  await index.close()
})

test('1 and "1" are two ids; the ends of the ranges are ids', async (t) => {
  const index = new Index({ dimensions: 2, metric: 'l2' })
  const ids: Id[] = [1, '1', 0, -0, '', '0', Number.MAX_SAFE_INTEGER, 'é', '\u0000', '__proto__', 'x'.repeat(5000), '😀']
  await index.add(ids.map((id, i) => ({ id, vector: [i, 0] })))
  const distinct = ids.filter((id) => !Object.is(id, -0))
  t.is(index.size, distinct.length)
  t.deepEqual([...index.ids()].sort(compareIds), [...distinct].sort(compareIds))
  for (const id of ids) t.true(index.has(id))
  t.deepEqual((await index.get([1, '1'])).map((item) => item?.vector), [Float32Array.of(0, 0), Float32Array.of(1, 0)])
  t.is((await index.get([0]))[0]?.vector[0], 3, '-0 and 0 are one id, and the last wins')
  t.is(await index.delete(['1']), 1)
  t.true(index.has(1))
  t.false(index.has('1'))
  await index.close()
})

test('a text id longer than 64 KiB', async (t) => {
  const index = new Index({ dimensions: 1, metric: 'l2' })
  await index.add([{ id: 'x'.repeat(65_536), vector: [1] }])
  await rejects(t, index.add([{ id: 'a', vector: [1] }, { id: 'x'.repeat(65_537), vector: [1] }]), 'E_ARGUMENT', /id/)
  t.is(index.size, 1)
  t.true(index.has('x'.repeat(65_536)))
  await index.close()
})

test('of one id twice in a batch the last wins', async (t) => {
  const index = new Index({ dimensions: 2, metric: 'l2' })
  await index.add([
    { id: 'x', vector: [1, 1], metadata: { v: 1 } },
    { id: 'y', vector: [2, 2] },
    { id: 'x', vector: [3, 3] },
    { id: 'x', vector: [4, 4], metadata: { v: 4 } },
  ])
  t.is(index.size, 2)
  t.deepEqual(await index.get(['x']), [{ id: 'x', vector: Float32Array.of(4, 4), metadata: { v: 4 } }])
  await index.add({ ids: Uint32Array.of(7, 7), vectors: Float32Array.of(1, 1, 2, 2) })
  t.deepEqual((await index.get([7]))[0]?.vector, Float32Array.of(2, 2))
  t.deepEqual(index.searchSync([1, 1]).map((hit) => hit.id), [7, 'y', 'x'])
  await index.close()
})

test('adding again replaces the whole item, metadata too', async (t) => {
  const index = new Index({ dimensions: 2, metric: 'l2' })
  await index.add([{ id: 1, vector: [1, 0], metadata: { old: true } }])
  await index.add([{ id: 1, vector: [5, 0] }])
  t.is(index.size, 1)
  t.deepEqual(await index.get([1]), [{ id: 1, vector: Float32Array.of(5, 0) }])
  t.deepEqual(index.searchSync([1, 0], { include: ['metadata'] }), [{ id: 1, distance: 16 }])
  await index.add([{ id: 1, vector: [5, 0], metadata: {} }])
  t.deepEqual((await index.get([1]))[0]?.metadata, {})
  await index.close()
})

test('delete says how many were there, and what is gone is gone everywhere', async (t) => {
  const index = new Index({ dimensions: 2, metric: 'l2' })
  await index.add(range(10).map((id) => ({ id, vector: [id, 0] })))
  t.is(await index.delete([3, 4, 4, 99, 'x']), 2)
  t.is(await index.delete(new Set([3, 5])), 1)
  t.is(index.size, 7)
  t.false(index.has(3))
  t.deepEqual(await index.get([3, 6, 3]), [undefined, { id: 6, vector: Float32Array.of(6, 0) }, undefined])
  t.deepEqual([...index.ids()].sort(compareIds), [0, 1, 2, 6, 7, 8, 9])
  t.deepEqual(index.searchSync([4, 0], { k: 3 }).map((hit) => hit.id), [2, 6, 1])
  await index.add([{ id: 3, vector: [3, 0] }])
  t.is(index.searchSync([3, 0], { k: 1 })[0]?.id, 3)
  t.is(await index.delete(index.ids()), 8)
  t.is(index.size, 0)
  t.deepEqual(index.searchSync([1, 0]), [])
  await index.close()
})

test('get gives items in the order asked for, and what is included only', async (t) => {
  const index = new Index({ dimensions: 2, metric: 'l2' })
  await index.add([
    { id: 1, vector: [1, 0] },
    { id: 'b', vector: [2, 0], metadata: { b: 1 } },
    { id: 3, vector: [3, 0], metadata: { c: 1 } },
  ])
  const missing = undefined
  const v = (n: number) => Float32Array.of(n, 0)
  const ids = ['b', 9, 1, 'b', 3]
  t.deepEqual(await index.get(ids), [
    { id: 'b', vector: v(2), metadata: { b: 1 } },
    missing,
    { id: 1, vector: v(1) },
    { id: 'b', vector: v(2), metadata: { b: 1 } },
    { id: 3, vector: v(3), metadata: { c: 1 } },
  ])
  t.deepEqual(await index.get(ids, { include: ['metadata'] }), [
    { id: 'b', metadata: { b: 1 } },
    missing,
    { id: 1 },
    { id: 'b', metadata: { b: 1 } },
    { id: 3, metadata: { c: 1 } },
  ] as never)
  t.deepEqual(await index.get([1, 9], { include: ['vector'] }), [{ id: 1, vector: v(1) }, missing])
  t.deepEqual(await index.get([1, 9], { include: [] }), [{ id: 1 }, missing] as never)
  await index.close()
})

test('a hit carries what was asked for', async (t) => {
  const index = new Index({ dimensions: 2, metric: 'l2' })
  await index.add([
    { id: 1, vector: [1, 0] },
    { id: 'b', vector: [2, 0], metadata: { b: 'é' } },
  ])
  t.deepEqual(index.searchSync([1, 0]), [{ id: 1, distance: 0 }, { id: 'b', distance: 1 }])
  const full = [
    { id: 1, distance: 0, vector: Float32Array.of(1, 0) },
    { id: 'b', distance: 1, vector: Float32Array.of(2, 0), metadata: { b: 'é' } },
  ]
  t.deepEqual(index.searchSync([1, 0], { include: ['vector', 'metadata'] }), full)
  t.deepEqual(await index.search([1, 0], { include: ['metadata', 'vector'] }), full)
  t.deepEqual((await index.searchBatch([[1, 0]], { include: ['metadata', 'vector'] })).hits(0), full)
  const metadata = [{ id: 1, distance: 0 }, { id: 'b', distance: 1, metadata: { b: 'é' } }]
  t.deepEqual(await index.search([1, 0], { include: ['metadata'] }), metadata)
  t.deepEqual(await index.search([1, 0], { include: [] }), [{ id: 1, distance: 0 }, { id: 'b', distance: 1 }])
  await index.close()
})

test('equal distances are ordered by id: numbers, then texts by their bytes', async (t) => {
  const index = new Index({ dimensions: 2, metric: 'l2' })
  // UTF-16 would put the emoji before U+FFFF; JavaScript's default sort would put 10 before 9.
  const ids: Id[] = ['b', '\uffff', 10, '😀', 'a', 9, 'B', '9', '10', 'é', '']
  await index.add(ids.map((id) => ({ id, vector: [1, 1] })))
  const expected = [9, 10, '', '10', '9', 'B', 'a', 'b', 'é', '\uffff', '😀']
  t.deepEqual(index.searchSync([0, 0], { k: 20 }).map((hit) => hit.id), expected)
  t.deepEqual((await index.search([0, 0], { k: 20 })).map((hit) => hit.id), expected)
  t.deepEqual((await index.searchBatch([[0, 0]], { k: 20 })).ids(0), expected)
  t.deepEqual(index.searchSync([0, 0], { k: 4 }).map((hit) => hit.id), expected.slice(0, 4))
  await index.close()
})

test('replaced rows keep their place in the order', async (t) => {
  const index = new Index({ dimensions: 1, metric: 'l2' })
  await index.add(range(50).map((id) => ({ id, vector: [1] })))
  await index.add(range(25).map((id) => ({ id: 2 * id, vector: [1] })))
  t.deepEqual(index.searchSync([1], { k: 50 }).map((hit) => hit.id), range(50))
  await index.close()
})

test('a long run of random writes leaves what a Map would hold', async (t) => {
  const dimensions = 6
  const next = random(11)
  const index = new Index({ dimensions, metric: 'l2' })
  const model = new Map<Id, { vector: Float32Array; metadata: Metadata | undefined }>()
  const values = clustered(4000, dimensions, 12)
  const someId = (): Id => (next() < 0.5 ? Math.floor(next() * 150) : `t${Math.floor(next() * 150)}`)
  let used = 0
  for (let round = 0; round < 120; round++) {
    if (next() < 0.3) {
      const ids = range(Math.floor(next() * 30)).map(someId)
      const expected = new Set(ids.filter((id) => model.has(id))).size
      t.is(await index.delete(ids), expected)
      for (const id of ids) model.delete(id)
    } else {
      const items = range(1 + Math.floor(next() * 30)).map(() => {
        const metadata = next() < 0.5 ? { round, used } : undefined
        return { id: someId(), vector: row(values, used++ % 4000, dimensions), metadata }
      })
      await index.add(items)
      for (const { id, vector, metadata } of items) model.set(id, { vector, metadata })
    }
    t.is(index.size, model.size)
  }
  await index.optimize()
  const ids = [...index.ids()].sort(compareIds)
  t.deepEqual(ids, [...model.keys()].sort(compareIds))
  const items = await index.get(ids)
  t.deepEqual(items, ids.map((id) => {
    const { vector, metadata } = model.get(id) as { vector: Float32Array; metadata: Metadata | undefined }
    return metadata === undefined ? { id, vector } : { id, vector, metadata }
  }) as Item[])
  const stored = new Map(ids.map((id) => [id, model.get(id)?.vector as Float32Array]))
  for (let q = 0; q < 20; q++) {
    const query = row(values, q, dimensions)
    const truth = bruteForce('l2', stored, query).slice(0, 10)
    t.deepEqual(index.searchSync(query).map((hit) => hit.id), truth.map((hit) => hit.id))
  }
  await index.close()
})

test('ids() pages through many, and bears writes meanwhile', async (t) => {
  const index = new Index({ dimensions: 1, metric: 'l2' })
  const n = 10_000
  await index.add({ ids: range(n).map((i) => (i % 2 ? i : `t${i}`)), vectors: new Float32Array(n).fill(1) })
  const all = [...index.ids()]
  t.is(all.length, n)
  t.is(new Set(all).size, n)
  const seen = new Set<Id>()
  const gone = new Set<Id>()
  for (const id of index.ids()) {
    t.false(seen.has(id))
    seen.add(id)
    if (seen.size === 5000) {
      for (const other of all.filter((other, i) => i % 3 === 0 && !seen.has(other))) gone.add(other)
      await index.delete(gone)
      await index.add([{ id: 'new', vector: [2] }])
    }
  }
  for (const id of all) if (!gone.has(id)) t.true(seen.has(id))
  await index.close()
})
