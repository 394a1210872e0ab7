// The ways into an index: arrays, columns, iterables; what is atomic, what stays, what is reported.
import test from 'ava'
import { type Id, Index, type Item, type Metadata, type Progress } from '../index.ts'
import { clustered, range, rejects, row } from './helpers.ts'

const D = 4

function item(i: number): Item {
  return { id: i, vector: [i, 1, 2, 3], metadata: { i } }
}

function newIndex(): Index {
  return new Index({ dimensions: D, metric: 'l2' })
}

test('columns of every kind of ids', async (t) => {
  const vectors = Float32Array.from(range(3 * D))
  const metadata: (Metadata | undefined)[] = [{ a: 1 }, undefined, { c: 3 }]
  const kinds: (readonly Id[] | Uint32Array | BigUint64Array)[] = [
    ['x', 7, '7'],
    Uint32Array.of(0, 5, 2 ** 32 - 1),
    BigUint64Array.of(0n, 5n, 2n ** 53n - 1n),
  ]
  for (const ids of kinds) {
    const index = newIndex()
    await index.add({ ids, vectors, metadata })
    const list = Array.from(ids as readonly Id[], (id) => (typeof id === 'bigint' ? Number(id) : id))
    t.deepEqual(await index.get(list), [
      { id: list[0] as Id, vector: vectors.slice(0, D), metadata: { a: 1 } },
      { id: list[1] as Id, vector: vectors.slice(D, 2 * D) },
      { id: list[2] as Id, vector: vectors.slice(2 * D), metadata: { c: 3 } },
    ])
    await index.close()
  }
})

test('a bad item anywhere leaves an array out as a whole', async (t) => {
  const index = newIndex()
  await index.add([item(0)])
  const bad = { id: 5, vector: [1, 2, 3] }
  for (const items of [[bad, item(1), item(2)], [item(1), bad, item(2)], [item(1), item(2), bad]]) {
    const error = await rejects(t, index.add(items), 'E_DIMENSIONS')
    t.is(error.added, undefined)
    t.deepEqual([...index.ids()], [0])
  }
  await index.close()
})

function* items(n: number, then?: () => unknown): Generator<Item> {
  for (let i = 0; i < n; i++) yield item(i)
  const last = then?.()
  if (last !== undefined) yield last as Item
}

async function* slowItems(n: number, then?: () => unknown): AsyncGenerator<Item> {
  for (const one of items(n, then)) {
    await null
    yield one
  }
}

test('iterables and async iterables of any length are taken', async (t) => {
  for (const n of [0, 1, 1023, 1024, 1025, 3000]) {
    for (const source of [items(n), slowItems(n), new Set(items(n)), new Map(range(n).map((i) => [i, item(i)])).values()]) {
      const index = newIndex()
      await index.add(source)
      t.is(index.size, n)
      t.deepEqual(new Set(index.ids()), new Set(range(n)))
      if (n > 0) t.deepEqual((await index.get([n - 1]))[0]?.metadata, { i: n - 1 })
      await index.close()
    }
  }
})

for (const [kind, make] of [['iterable', items], ['async iterable', slowItems]] as const) {
  test(`an ${kind} with a bad item: finished chunks stay, the error carries their number`, async (t) => {
    const index = newIndex()
    const error = await rejects(t, index.add(make(2500, () => ({ id: 9999, vector: [1] }))), 'E_DIMENSIONS', /items\[2500\]/)
    t.is(typeof error.added, 'number')
    t.true((error.added as number) > 0 && (error.added as number) <= 2500)
    t.is(error.added, index.size)
    t.deepEqual(new Set(index.ids()), new Set(range(error.added as number)))
    await index.close()
  })

  test(`an ${kind} that throws`, async (t) => {
    const index = newIndex()
    const thrown = new Error('the source is gone')
    const source = make(2500, () => {
      throw thrown
    })
    const error = await rejects(t, index.add(source), 'E_ARGUMENT', /the source is gone/)
    t.is(error.cause, thrown)
    t.is(error.added, index.size)
    t.true((error.added as number) > 0)
    await index.close()
  })

  test(`an ${kind} is told to stop when an item is bad`, async (t) => {
    const index = newIndex()
    let closed = false
    const inner = make(10, () => ({ id: 'x', vector: [] }))
    const wrapped = {
      [Symbol.iterator]: () => ({ next: () => (inner as Generator<Item>).next(), return: () => ((closed = true), { done: true, value: 0 }) }),
      [Symbol.asyncIterator]: () => ({
        next: async () => await (inner as AsyncGenerator<Item>).next(),
        return: async () => ((closed = true), { done: true, value: 0 }),
      }),
    }
    const source = kind === 'iterable' ? { [Symbol.iterator]: wrapped[Symbol.iterator] } : { [Symbol.asyncIterator]: wrapped[Symbol.asyncIterator] }
    const error = await rejects(t, index.add(source as Iterable<Item>), 'E_DIMENSIONS')
    t.true(closed)
    t.is(error.added, 0)
    t.is(index.size, 0)
    await index.close()
  })
}

test('an abort between chunks: finished chunks stay', async (t) => {
  const index = newIndex()
  const controller = new AbortController()
  const reason = new Error('enough')
  async function* source() {
    for (let i = 0; ; i++) {
      if (i === 3000) controller.abort(reason)
      yield item(i)
    }
  }
  const error = await rejects(t, index.add(source(), { signal: controller.signal }), 'E_ABORTED')
  t.is(error.cause, reason)
  t.is(error.added, index.size)
  t.true((error.added as number) > 0 && (error.added as number) < 3000)
  await index.close()
})

test('an abort while the source does not answer', async (t) => {
  const index = newIndex()
  const controller = new AbortController()
  async function* source() {
    yield* items(2000)
    queueMicrotask(() => controller.abort('stop'))
    await new Promise(() => {})
  }
  const error = await rejects(t, index.add(source(), { signal: controller.signal }), 'E_ABORTED')
  t.is(error.cause, 'stop')
  t.is(error.added, index.size)
  await index.close()
})

test('a signal that is already aborted stops every method before it starts', async (t) => {
  const index = newIndex()
  await index.add([item(1)])
  const signal = AbortSignal.abort('reason')
  const query = [1, 2, 3, 4]
  let pulled = 0
  const calls: [string, () => unknown][] = [
    ['add', () => index.add([item(2)], { signal })],
    ['add columns', () => index.add({ ids: [2], vectors: new Float32Array(D) }, { signal })],
    ['add iterable', () => index.add(items(5, () => void pulled++), { signal })],
    ['add async iterable', () => index.add(slowItems(5, () => void pulled++), { signal })],
    ['search', () => index.search(query, { signal })],
    ['searchSync', () => index.searchSync(query, { signal })],
    ['searchBatch', () => index.searchBatch([query], { signal })],
    ['train', () => index.train({ signal })],
    ['optimize', () => index.optimize({ signal })],
  ]
  for (const [name, call] of calls) {
    const error = await rejects(t, call, 'E_ABORTED')
    t.is(error.cause, 'reason', name)
  }
  t.is(pulled, 0)
  t.is(index.size, 1)
  await index.close()
})

test('the default reason of an abort, and that of a timeout', async (t) => {
  const index = newIndex()
  const aborted = await rejects(t, index.search([1, 2, 3, 4], { signal: AbortSignal.abort() }), 'E_ABORTED')
  t.is((aborted.cause as DOMException).name, 'AbortError')
  await index.close()
})

test('an abort stops work that runs, and work that waits', async (t) => {
  const dimensions = 64
  const index = new Index({ dimensions, coarse: 'hnsw', codes: 'none', hnsw: { m: 32, efConstruction: 400 } })
  const n = 20_000
  await index.add({ ids: range(n), vectors: clustered(n, dimensions, 9) })
  const running = new AbortController()
  const waiting = new AbortController()
  const { promise: started, resolve: start } = deferred()
  const optimizing = index.optimize({ signal: running.signal, onProgress: start })
  // Behind the optimize, so it is in the queue until that ends or it is given up.
  const adding = index.add([{ id: 'late', vector: new Float32Array(dimensions).fill(1) }], { signal: waiting.signal })
  const settled = Promise.allSettled([optimizing, adding])
  await started
  waiting.abort('the one that waits')
  const added = await rejects(t, adding, 'E_ABORTED')
  t.is(added.cause, 'the one that waits')
  t.false(index.has('late'))
  running.abort('the one that runs')
  const optimized = await optimizing.then(() => undefined, (error) => error)
  // It may have come to its end just before.
  if (optimized) {
    t.is(optimized.code, 'E_ABORTED')
    t.is(optimized.cause, 'the one that runs')
  }
  await settled
  t.is(index.size, n)
  t.is(index.searchSync(row(clustered(n, dimensions, 9), 3, dimensions), { k: 1 })[0]?.id, 3)
  await index.optimize()
  await index.close()
})

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve!: () => void
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}

test('listeners on a signal are taken off again', async (t) => {
  const index = newIndex()
  const { signal } = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: unknown[]) => (listeners++, Reflect.apply(addEventListener, signal, args))
  signal.removeEventListener = (...args: unknown[]) => (listeners--, Reflect.apply(removeEventListener, signal, args))
  await index.add([item(1)], { signal })
  await index.add(slowItems(10), { signal })
  await index.search([1, 2, 3, 4], { signal })
  await index.search([0, 0], { signal }).catch(() => {})
  await index.optimize({ signal })
  t.is(listeners, 0)
  await index.close()
})

test('progress of an iterable counts what is in', async (t) => {
  const index = newIndex()
  const seen: Progress[] = []
  await index.add(new Set(items(2500)), {
    onProgress: (progress) => {
      t.is(progress.done, index.size)
      seen.push(progress)
    },
  })
  t.true(seen.length >= 2)
  t.deepEqual(seen.at(-1), { done: 2500, total: 2500, stage: 'add' })
  const open: Progress[] = []
  await index.add(items(2000), { onProgress: (progress) => void open.push(progress) })
  t.deepEqual(open.at(-1), { done: 2000, total: Number.POSITIVE_INFINITY, stage: 'add' })
  await index.close()
})

test('progress of optimize goes from nothing to all', async (t) => {
  const dimensions = 32
  const index = new Index({ dimensions, coarse: 'hnsw', codes: 'none' })
  await index.add({ ids: range(20_000), vectors: clustered(20_000, dimensions, 4) })
  const seen: Progress[] = []
  await index.optimize({ onProgress: (progress) => void seen.push(progress) })
  t.true(seen.length > 0)
  for (const { done, total, stage } of seen) {
    t.true(done >= 0 && done <= total, `${done} of ${total}`)
    t.regex(stage, /^[a-z]+$/)
  }
  await index.close()
})

test('an onProgress that throws stops the call, which rejects with that as its cause', async (t) => {
  const index = newIndex()
  const cause = new Error('from onProgress')
  const onProgress = () => {
    throw cause
  }
  for (const source of [items(5000), slowItems(5000)]) {
    const error = await rejects(t, index.add(source, { onProgress }), 'E_ABORTED', /onProgress/)
    t.is(error.cause, cause)
    t.is(error.added, index.size)
    await index.delete(index.ids())
  }
  const graph = new Index({ dimensions: 32, coarse: 'hnsw', codes: 'none' })
  await graph.add({ ids: range(10_000), vectors: clustered(10_000, 32, 4) })
  const error = await rejects(t, graph.optimize({ onProgress }), 'E_ABORTED', /onProgress/)
  t.is(error.cause, cause)
  await graph.optimize()
  t.is(graph.stats().unlinked, 0)
  await Promise.all([index.close(), graph.close()])
})

test('what a caller does to its arrays after a call does not matter', async (t) => {
  const index = newIndex()
  const vectors = Float32Array.from(range(2 * D))
  const ids: Id[] = [1, 'b']
  const metadata = [{ m: 1 }, { m: 2 }]
  const columns = index.add({ ids, vectors, metadata })
  vectors.fill(Number.NaN)
  ids[0] = 77
  metadata[0] = { m: 99 }
  await columns
  const vector = new Float32Array([9, 9, 9, 9])
  const array = [{ id: 'c', vector, metadata: { deep: { n: 1 } } }]
  const adding = index.add(array)
  vector.fill(Number.NaN)
  ;(array[0] as Item).id = 'other'
  ;(array[0] as { metadata: { deep: { n: number } } }).metadata.deep.n = 2
  await adding
  t.deepEqual(await index.get([1, 'b', 'c', 77, 'other']), [
    { id: 1, vector: Float32Array.of(0, 1, 2, 3), metadata: { m: 1 } },
    { id: 'b', vector: Float32Array.of(4, 5, 6, 7), metadata: { m: 2 } },
    { id: 'c', vector: Float32Array.of(9, 9, 9, 9), metadata: { deep: { n: 1 } } },
    undefined,
    undefined,
  ])
  const query = Float32Array.of(9, 9, 9, 9)
  const searching = index.search(query, { k: 1 })
  const batching = index.searchBatch(query, { k: 1 })
  query.fill(Number.NaN)
  t.is((await searching)[0]?.id, 'c')
  t.deepEqual((await batching).ids(0), ['c'])
  const wanted: Id[] = ['c', 'b']
  const getting = index.get(wanted)
  wanted.reverse()
  t.deepEqual((await getting).map((one) => one?.id), ['c', 'b'])
  const deleting = index.delete(wanted)
  wanted.length = 0
  wanted.push(1)
  t.is(await deleting, 2)
  t.true(index.has(1))
  await index.close()
})

test('writes are carried out in the order of their calls, without waiting for one another', async (t) => {
  const index = newIndex()
  const [, deleted, , , again] = await Promise.all([
    index.add([item(1), item(2)]),
    index.delete([1, 3]),
    index.add([{ id: 1, vector: [7, 7, 7, 7] }, item(3)]),
    index.optimize(),
    index.delete([2, 3]),
    index.add([{ id: 1, vector: [8, 8, 8, 8] }]),
  ])
  t.is(deleted, 1)
  t.is(again, 2)
  t.is(index.size, 1)
  t.deepEqual(await index.get([1]), [{ id: 1, vector: Float32Array.of(8, 8, 8, 8) }])
  await index.close()
})
