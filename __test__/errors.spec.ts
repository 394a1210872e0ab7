// Bad input: a coded error that names what was wrong, and an index that is as it was.
import test, { type ExecutionContext } from 'ava'
import { BigrainError, type Code, type Columns, Index, type Item, type Query, type Vector } from '../index.ts'
import { rejects } from './helpers.ts'

async function makeIndex(t: ExecutionContext, metric: 'cosine' | 'dot' | 'l2' = 'cosine'): Promise<Index> {
  const index = new Index({ dimensions: 3, metric })
  t.teardown(() => index.close())
  await index.add([
    { id: 1, vector: [1, 0, 0], metadata: { n: 1 } },
    { id: 'a', vector: [0, 1, 0] },
  ])
  return index
}

/** Everything there is to see of a small index. */
async function contents(index: Index): Promise<unknown> {
  const ids = [...index.ids()].sort()
  return { ids, items: await index.get(ids), size: index.size, hits: index.searchSync([1, 1, 0]) }
}

const shared = new Float32Array(new SharedArrayBuffer(12))
shared.set([1, 2, Number.NaN])

const badVectors: [string, unknown, Code, RegExp][] = [
  ['too short', [1, 2], 'E_DIMENSIONS', /2 dimensions.*3/],
  ['too long', new Float32Array(4).fill(1), 'E_DIMENSIONS', /4 dimensions.*3/],
  ['empty', new Float32Array(0), 'E_DIMENSIONS', /0 dimensions.*3/],
  ['an empty array', [], 'E_DIMENSIONS', /0 dimensions.*3/],
  ['NaN', [1, Number.NaN, 1], 'E_NOT_FINITE', /\[1\] is NaN/],
  ['NaN in a Float32Array', Float32Array.of(1, 1, Number.NaN), 'E_NOT_FINITE', /\[2\] is NaN/],
  ['infinity', [Number.POSITIVE_INFINITY, 0, 1], 'E_NOT_FINITE', /\[0\] is Infinity/],
  ['-infinity in a Float64Array', Float64Array.of(0, Number.NEGATIVE_INFINITY, 1), 'E_NOT_FINITE', /\[1\] is -Infinity/],
  ['above what 32 bits hold', [1, 1, 1e39], 'E_NOT_FINITE', /\[2\] is 1e\+39.*32-bit/],
  ['above what 32 bits hold, in a Float64Array', Float64Array.of(1, -1e300, 1), 'E_NOT_FINITE', /\[1\] is -1e\+300/],
  ['NaN in shared memory', shared, 'E_NOT_FINITE', /\[2\] is NaN/],
  ['a string', 'abc', 'E_ARGUMENT', /"abc"/],
  ['null', null, 'E_ARGUMENT', /null/],
  ['undefined', undefined, 'E_ARGUMENT', /undefined/],
  ['a number', 3, 'E_ARGUMENT', /3/],
  ['strings', ['1', '2', '3'], 'E_ARGUMENT', /\[0\].*"1"/],
  ['a hole', [1, , 3], 'E_ARGUMENT', /\[1\].*undefined/], // oxlint-disable-line no-sparse-arrays
  ['an Int8Array', Int8Array.of(1, 2, 3), 'E_ARGUMENT', /Int8Array/],
  ['a Uint8Array', Uint8Array.of(1, 2, 3), 'E_ARGUMENT', /Uint8Array/],
]

for (const [what, vector, code, message] of badVectors) {
  test(`a vector that is ${what}`, async (t) => {
    const index = await makeIndex(t)
    const before = await contents(index)
    const good = { id: 7, vector: [1, 1, 1] }
    const named = new RegExp(`items\\[1\\]\\.vector.*${message.source}`)
    await rejects(t, index.add([good, { id: 8, vector: vector as Vector }]), code, named)
    await rejects(t, index.search({ vector: vector as Vector }), code, message)
    if (vector !== undefined) {
      await rejects(t, index.search({ candidates: vector as Vector, verify: [1, 2, 3] }), code, message)
      await rejects(t, () => index.searchSync({ candidates: [1, 2, 3], verify: vector as Vector }), code, message)
    }
    await rejects(t, index.searchBatch([[1, 2, 3], vector as Vector]), code, new RegExp(`queries\\[1\\].*${message.source}`))
    t.deepEqual(await contents(index), before)
  })
}

test('a bare query that is no vector', async (t) => {
  const index = await makeIndex(t)
  for (const query of [undefined, null, 3, 'abc', true, new Map(), Int8Array.of(1, 2, 3)]) {
    await rejects(t, index.search(query as unknown as Query), 'E_ARGUMENT', /query/)
    await rejects(t, () => index.searchSync(query as unknown as Query), 'E_ARGUMENT', /query/)
  }
})

test('a query of the wrong parts', async (t) => {
  const index = await makeIndex(t)
  const v = [1, 2, 3]
  await rejects(t, index.search({}), 'E_ARGUMENT', /vector/)
  await rejects(t, index.search({ candidates: v }), 'E_ARGUMENT', /verify/)
  await rejects(t, index.search({ verify: v }), 'E_ARGUMENT', /candidates/)
  await rejects(t, index.search({ vector: v, candidates: v, verify: v }), 'E_ARGUMENT', /vector/)
  await rejects(t, index.search({ vector: v, vectors: v } as never), 'E_ARGUMENT', /"vectors"/)
  await rejects(t, index.search({ vector: v, sparse: { 1: 2 } }), 'E_ARGUMENT', /sparse.*not in this version/)
  await rejects(t, index.search({ vector: v, text: 'x' }), 'E_ARGUMENT', /text.*not in this version/)
})

test('a zero vector under cosine, and only there', async (t) => {
  const cosine = await makeIndex(t)
  const before = await contents(cosine)
  const zero = { id: 9, vector: [0, 0, 0] }
  await rejects(t, cosine.add([{ id: 8, vector: [1, 1, 1] }, zero]), 'E_ARGUMENT', /zero/)
  await rejects(t, cosine.add({ ids: [8, 9], vectors: Float32Array.of(1, 1, 1, 0, 0, 0) }), 'E_ARGUMENT', /zero/)
  await rejects(t, cosine.search([0, 0, 0]), 'E_ARGUMENT', /zero/)
  await rejects(t, () => cosine.searchSync([0, 0, 0]), 'E_ARGUMENT', /zero/)
  await rejects(t, cosine.searchBatch([[1, 1, 1], [0, 0, 0]]), 'E_ARGUMENT', /zero/)
  t.deepEqual(await contents(cosine), before)
  for (const metric of ['dot', 'l2'] as const) {
    const index = await makeIndex(t, metric)
    await index.add([zero])
    t.deepEqual((await index.get([9]))[0]?.vector, new Float32Array(3))
    t.is((await index.search([0, 0, 0])).length, 3)
  }
})

test('values in a block that are not finite are found, and the batch is not added', async (t) => {
  const index = await makeIndex(t)
  const before = await contents(index)
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const vectors = new Float32Array(3000).fill(1)
    vectors[2000] = bad
    const ids = Uint32Array.from({ length: 1000 }, (_, i) => i)
    await rejects(t, index.add({ ids, vectors }), 'E_NOT_FINITE')
    await rejects(t, index.searchBatch(vectors), 'E_NOT_FINITE')
  }
  t.deepEqual(await contents(index), before)
})

const badIds: [string, unknown, RegExp][] = [
  ['negative', -1, /-1/],
  ['a fraction', 1.5, /1\.5/],
  ['NaN', Number.NaN, /NaN/],
  ['infinite', Number.POSITIVE_INFINITY, /Infinity/],
  ['2^53', 2 ** 53, /9007199254740992/],
  ['a bigint', 1n, /1n/],
  ['null', null, /null/],
  ['undefined', undefined, /undefined/],
  ['an object', {}, /object/],
  ['half a surrogate pair', 'x\ud800', /surrogate/],
]

for (const [what, id, message] of badIds) {
  test(`an id that is ${what}`, async (t) => {
    const index = await makeIndex(t)
    const before = await contents(index)
    const named = new RegExp(`items\\[1\\]\\.id.*${message.source}`)
    await rejects(t, index.add([{ id: 7, vector: [1, 1, 1] }, { id: id as number, vector: [1, 1, 1] }]), 'E_ARGUMENT', named)
    const columns = { ids: [7, id as number], vectors: new Float32Array(6).fill(1) }
    await rejects(t, index.add(columns), 'E_ARGUMENT', new RegExp(`ids\\[1\\].*${message.source}`))
    await rejects(t, index.delete([1, id as number]), 'E_ARGUMENT', new RegExp(`ids\\[1\\].*${message.source}`))
    await rejects(t, index.get([1, id as number]), 'E_ARGUMENT', new RegExp(`ids\\[1\\].*${message.source}`))
    await rejects(t, () => index.has(id as number), 'E_ARGUMENT', message)
    t.deepEqual(await contents(index), before)
  })
}

test('ids that are no list', async (t) => {
  const index = await makeIndex(t)
  for (const ids of [undefined, null, 1, 'abc', {}]) {
    await rejects(t, index.delete(ids as never), 'E_ARGUMENT', /ids/)
    await rejects(t, index.get(ids as never), 'E_ARGUMENT', /ids/)
  }
})

const badItems: [string, unknown, RegExp][] = [
  ['undefined', undefined, /items.*undefined/],
  ['null', null, /items.*null/],
  ['a number', 3, /items.*3/],
  ['a string', 'abc', /items.*"abc"/],
  ['an item by itself', { id: 1, vector: [1, 2, 3] }, /"id"/],
  ['an array of numbers', [1, 2], /items\[0\].*1/],
  ['an array with a hole', [{ id: 1, vector: [1, 2, 3] }, undefined], /items\[1\].*undefined/],
  ['an item with sparse', [{ id: 1, vector: [1, 2, 3], sparse: { 1: 1 } }], /sparse.*not in this version/],
  ['an item with text', [{ id: 1, vector: [1, 2, 3], text: 'x' }], /text.*not in this version/],
  ['metadata that is an array', [{ id: 1, vector: [1, 2, 3], metadata: [] }], /metadata.*array/],
  ['metadata that is null', [{ id: 1, vector: [1, 2, 3], metadata: null }], /metadata.*null/],
  ['metadata that is text', [{ id: 1, vector: [1, 2, 3], metadata: 'x' }], /metadata.*"x"/],
  ['metadata with a bigint', [{ id: 1, vector: [1, 2, 3], metadata: { n: 1n } }], /items\[0\]\.metadata.*JSON/],
  ['metadata that becomes text', [{ id: 1, vector: [1, 2, 3], metadata: new Date(0) }], /metadata.*JSON/],
  ['columns without vectors', { ids: [1] }, /vectors/],
  ['columns without ids', { vectors: new Float32Array(3) }, /ids/],
  ['columns with more', { ids: [1], vectors: new Float32Array(3), meta: [] }, /"meta"/],
  ['columns of numbers', { ids: [1], vectors: [1, 2, 3] }, /vectors.*Float32Array/],
  ['columns of a Set of ids', { ids: new Set([1]), vectors: new Float32Array(3) }, /ids/],
  ['columns with too little metadata', { ids: [1, 2], vectors: new Float32Array(6), metadata: [{}] }, /metadata.*2/],
  ['an id above 2^53-1', { ids: BigUint64Array.of(1n, 2n ** 53n), vectors: new Float32Array(6).fill(1) }, /ids\[1\].*9007199254740992n/],
]

for (const [what, items, message] of badItems) {
  test(`add refuses ${what}`, async (t) => {
    const index = await makeIndex(t)
    const before = await contents(index)
    await rejects(t, index.add(items as Item[]), 'E_ARGUMENT', message)
    t.deepEqual(await contents(index), before)
  })
}

test('metadata that refers to itself', async (t) => {
  const index = await makeIndex(t)
  const metadata: Record<string, unknown> = {}
  metadata['self'] = metadata
  const error = await rejects(t, index.add([{ id: 1, vector: [1, 2, 3], metadata: metadata as never }]), 'E_ARGUMENT')
  t.true(error.cause instanceof TypeError)
})

test('columns whose lengths do not fit', async (t) => {
  const index = await makeIndex(t)
  for (const length of [0, 5, 7, 9]) {
    const columns: Columns = { ids: Uint32Array.of(1, 2), vectors: new Float32Array(length).fill(1) }
    await rejects(t, index.add(columns), 'E_DIMENSIONS', new RegExp(`${length} values.*6`))
  }
  await rejects(t, index.searchBatch(new Float32Array(4).fill(1)), 'E_DIMENSIONS', /4 values.*3/)
})

test('batches of queries that are none', async (t) => {
  const index = await makeIndex(t)
  for (const queries of [undefined, null, 3, 'abc', {}, new Float64Array(3)]) {
    await rejects(t, index.searchBatch(queries as never), 'E_ARGUMENT', /queries/)
  }
  await rejects(t, index.searchBatch([1, 2, 3] as never), 'E_ARGUMENT', /queries\[0\]/)
})

test('empty input is no error', async (t) => {
  const index = await makeIndex(t)
  await index.add([])
  await index.add(new Set<Item>())
  await index.add({ ids: [], vectors: new Float32Array(0) })
  t.is(await index.delete([]), 0)
  t.deepEqual(await index.get([]), [])
  t.is((await index.searchBatch([])).count, 0)
  t.is((await index.searchBatch(new Float32Array(0))).count, 0)
  t.is(index.size, 2)
})

test('an empty index gives no hits', async (t) => {
  const index = new Index({ dimensions: 3 })
  t.is(index.size, 0)
  t.deepEqual(await index.search([1, 2, 3]), [])
  t.deepEqual(index.searchSync([1, 2, 3]), [])
  const matches = await index.searchBatch([[1, 2, 3], [3, 2, 1]])
  t.is(matches.count, 2)
  t.deepEqual(matches.ids(1), [])
  t.deepEqual(matches.hits(0), [])
  t.deepEqual(matches.distances(0), new Float32Array(0))
  t.deepEqual([...index.ids()], [])
  t.deepEqual(await index.get([1]), [undefined])
  t.is(await index.delete([1]), 0)
  t.false(index.has(1))
  await index.optimize()
  await index.flush()
  await index.close()
})

test('k above the size gives all, whatever its magnitude', async (t) => {
  const index = await makeIndex(t)
  for (const k of [2, 3, 1000, 1e6, 2 ** 31, 2 ** 32, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    t.is((await index.search([1, 2, 3], { k })).length, 2, `k ${k}`)
    t.is(index.searchSync([1, 2, 3], { k, ef: k, rerank: k }).length, 2)
    t.is((await index.searchBatch([[1, 2, 3]], { k })).ids(0).length, 2)
  }
})

test('an error is an Error with a code, a name and a stack that leads to the caller', async (t) => {
  const index = await makeIndex(t)
  async function theCallersFunction() {
    await index.search([0, 0, 0])
  }
  const error = await rejects(t, theCallersFunction(), 'E_ARGUMENT')
  t.true(error instanceof Error)
  t.true(error instanceof BigrainError)
  t.regex(String(error.stack), /theCallersFunction/)
  t.deepEqual(Object.keys(error), ['code'])
})

test('a query index outside a Matches', async (t) => {
  const index = await makeIndex(t)
  const matches = await index.searchBatch([[1, 2, 3]])
  for (const query of [-1, 1, 0.5, Number.NaN, '0' as never]) {
    await rejects(t, () => matches.ids(query), 'E_ARGUMENT', /query/)
    await rejects(t, () => matches.distances(query), 'E_ARGUMENT', /query/)
    await rejects(t, () => matches.hits(query), 'E_ARGUMENT', /query/)
  }
})
