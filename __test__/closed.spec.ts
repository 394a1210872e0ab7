// After close: E_CLOSED, and nothing lost. During close: searches are cut off, accepted writes are finished.
import test from 'ava'
import { Index, type Item } from '../index.ts'
import { clustered, freshPath, range, rejects, row } from './helpers.ts'

function items(n: number, from = 0): Item[] {
  return range(n, from).map((id) => ({ id, vector: [id + 1, 1] }))
}

test('every method of a closed index says so', async (t) => {
  const index = new Index({ dimensions: 2 })
  await index.add(items(3))
  const ids = index.ids()
  await index.close()
  const calls: [string, () => unknown][] = [
    ['add', () => index.add(items(1))],
    ['add nothing', () => index.add([])],
    ['add iterable', () => index.add(new Set(items(1)))],
    ['delete', () => index.delete([1])],
    ['has', () => index.has(1)],
    ['get', () => index.get([1])],
    ['ids', () => index.ids()],
    ['the rest of ids', () => ids.next()],
    ['search', () => index.search([1, 1])],
    ['searchSync', () => index.searchSync([1, 1])],
    ['searchBatch', () => index.searchBatch([[1, 1]])],
    ['train', () => index.train()],
    ['optimize', () => index.optimize()],
    ['flush', () => index.flush()],
    ['stats', () => index.stats()],
  ]
  for (const [name, call] of calls) {
    await rejects(t, call, 'E_CLOSED', /closed/)
    t.pass(name)
  }
  t.is(index.size, 3)
  t.is(index.options.dimensions, 2)
})

test('close may be called twice, at once or later', async (t) => {
  const index = new Index({ dimensions: 2 })
  await index.add(items(3))
  await Promise.all([index.close(), index.close()])
  await index.close()
  await index[Symbol.asyncDispose]()
  t.is(index.size, 3)
})

test('Symbol.asyncDispose closes', async (t) => {
  const index = new Index({ dimensions: 2 })
  await index[Symbol.asyncDispose]()
  await rejects(t, () => index.has(1), 'E_CLOSED')
})

test('new calls are refused from the moment of close', async (t) => {
  const index = new Index({ dimensions: 2 })
  await index.add(items(3))
  const closing = index.close()
  await rejects(t, () => index.searchSync([1, 1]), 'E_CLOSED')
  await rejects(t, () => index.has(1), 'E_CLOSED')
  await rejects(t, index.add(items(1)), 'E_CLOSED')
  await closing
})

test('accepted writes are finished, and what they wrote is saved', async (t) => {
  const path = freshPath(t)
  const index = await Index.open(path, { dimensions: 2 })
  const writes = [index.add(items(500)), index.delete([3]), index.add(items(500, 500)), index.flush(), index.add(items(1, 5000))]
  await index.close()
  t.deepEqual((await Promise.allSettled(writes)).map((one) => one.status), Array(5).fill('fulfilled'))
  t.is(index.size, 1000)
  const again = await Index.open(path)
  t.is(again.size, 1000)
  t.true(again.has(5000))
  t.false(again.has(3))
  await again.close()
})

test('searches are cut off with E_CLOSED, or had been done', async (t) => {
  const dimensions = 64
  const n = 20_000
  const rows = clustered(n, dimensions, 3)
  const index = new Index({ dimensions, coarse: 'flat', threads: 2 })
  await index.add({ ids: range(n), vectors: rows })
  const searches = range(300).map((i) => index.search(row(rows, i, dimensions), { k: 1 }))
  const batch = index.searchBatch(rows)
  const settled = Promise.allSettled([...searches, batch])
  await index.close()
  const outcomes = await settled
  let cut = 0
  outcomes.forEach((outcome, i) => {
    if (outcome.status === 'rejected') {
      cut++
      t.is(outcome.reason.code, 'E_CLOSED')
    } else if (i < 300) {
      t.is((outcome.value as { id: number }[])[0]?.id, i)
    }
  })
  t.true(cut > 0, '20,000 queries over 20,000 rows were not done in no time')
})

test('an iterable in the making ends with E_CLOSED and the number that stays', async (t) => {
  const path = freshPath(t)
  const index = await Index.open(path, { dimensions: 2 })
  let closing: Promise<void> | undefined
  async function* source() {
    for (const item of items(5000)) {
      if (item.id === 3000) closing = index.close()
      yield item
    }
  }
  const error = await rejects(t, index.add(source()), 'E_CLOSED')
  await closing
  t.true((error.added as number) > 0 && (error.added as number) <= 3000)
  const again = await Index.open(path)
  t.is(again.size, error.added as number)
  await again.close()
})
