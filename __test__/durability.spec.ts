// What is saved comes back: every kind of index, flushed or closed, again and again.
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { type Codes, type Hit, type Id, Index, type OpenOptions } from '../index.ts'
import { clustered, compareIds, freshPath, range, rejects, row, storedRows } from './helpers.ts'

const D = 16
const N = 5000
const ROWS = clustered(N, D, 41)

function idOf(i: number): Id {
  return i % 2 ? i : `text ${i}`
}

async function fill(index: Index): Promise<void> {
  await index.add({ ids: range(N).map(idOf), vectors: ROWS, metadata: range(N).map((i) => (i % 3 ? undefined : { i })) })
  await index.delete(range(N).filter((i) => i % 10 === 0).map(idOf))
}

/** Everything there is to see: ids, items, and the answers to some searches. */
async function snapshot(index: Index): Promise<{ items: unknown; hits: Hit[][] }> {
  const ids = [...index.ids()].sort(compareIds)
  const hits = range(20).map((i) => index.searchSync(row(ROWS, i * 7, D), { include: ['metadata'], ef: 60, rerank: 60 }))
  return { items: await index.get(ids), hits }
}

const pq: Codes = { type: 'pq', bytes: 8 }
const kinds: OpenOptions[] = [
  {},
  { coarse: 'flat', codes: 'none' },
  { coarse: 'hnsw', codes: 'none' },
  { coarse: 'hnsw', codes: 'none', vectors: 'disk' },
  { coarse: 'hnsw', codes: 'none', precision: 'f16' },
  { coarse: 'flat', codes: 'sq8', precision: 'i8' },
  { coarse: 'hnsw', codes: 'sq8', metric: 'l2' },
  { coarse: 'hnsw', codes: 'sq8', vectors: 'memory' },
  { coarse: 'hnsw', codes: 'binary', metric: 'dot' },
  { coarse: 'hnsw', codes: pq },
  { coarse: 'hnsw', codes: pq, precision: 'f16', metric: 'dot' },
  { coarse: 'flat', codes: pq, vectors: 'memory', precision: 'i8' },
  { coarse: 'hnsw', codes: { type: 'pq', bytes: 5, rotate: false }, metric: 'l2', vectors: 'disk', precision: 'i8' },
  { vectors: 'disk' },
]

for (const kind of kinds) {
  test(`closed and opened again: ${JSON.stringify(kind)}`, async (t) => {
    const directory = freshPath(t)
    const options = { dimensions: D, hnsw: { m: 8, efConstruction: 60 }, ...kind }
    const index = await Index.open(directory, options)
    await fill(index)
    await index.optimize()
    const before = await snapshot(index)
    const { chosen } = index.stats()
    const asked = index.options
    await index.close()

    const again = await Index.open(directory)
    t.deepEqual(again.options, asked)
    t.deepEqual(again.stats().chosen, chosen)
    t.deepEqual(await snapshot(again), before)
    t.true(again.stats().disk.total > 0)
    await again.add([{ id: 'late', vector: row(ROWS, 0, D), metadata: { late: true } }])
    await again.delete([idOf(1)])
    await again.close()

    const reader = await Index.open(directory, { ...options, readOnly: true })
    t.is(reader.size, 0.9 * N)
    t.false(reader.has(idOf(1)))
    t.deepEqual((await reader.get(['late']))[0]?.metadata, { late: true })
    t.deepEqual((await reader.get([idOf(7)]))[0]?.id, idOf(7))
    t.is(reader.searchSync(row(ROWS, 7, D)).length, 10)
    await reader.close()
  })
}

test('open puts the rows on disk where codes are kept, else in memory', async (t) => {
  for (const [options, expected] of [[{ codes: 'sq8' }, 'disk'], [{ codes: pq }, 'disk'], [{ codes: 'none' }, 'memory']] as const) {
    const index = await Index.open(freshPath(t), { dimensions: D, ...options })
    t.is(index.options.vectors, expected)
    await index.close()
  }
})

test('rows on disk are read from disk, and not held in memory', async (t) => {
  const index = await Index.open(freshPath(t), { dimensions: D, codes: pq, coarse: 'hnsw' })
  await fill(index)
  await index.optimize()
  await index.flush()
  const before = index.stats()
  await index.search(row(ROWS, 3, D), { rerank: 30 })
  const after = index.stats()
  t.true(after.reads.vectors > before.reads.vectors)
  t.true(after.reads.vectors - before.reads.vectors <= 30)
  const bytes = index.size * D * 4
  t.true(after.memory.vectors < bytes)
  t.true(after.disk.vectors >= bytes)
  await index.close()
})

test('flush makes what was written visible to an open of a copy', async (t) => {
  const directory = freshPath(t)
  const index = await Index.open(directory, { dimensions: 2, metric: 'l2' })
  for (let round = 0; round < 5; round++) {
    await index.add([{ id: round, vector: [round, 1] }])
    await index.flush()
    const reader = await Index.open(directory, { readOnly: true })
    t.deepEqual(await storedRows(reader), await storedRows(index))
    await reader.close()
  }
  await index.close()
})

test('many rounds of open, write, close', async (t) => {
  const directory = freshPath(t)
  const model = new Map<Id, number>()
  for (let round = 0; round < 12; round++) {
    const index = await Index.open(directory, { dimensions: 2, metric: 'l2' })
    t.is(index.size, model.size)
    const ids = range(40).map((i) => (i * 17 + round * 5) % 100)
    await index.add(ids.map((id) => ({ id, vector: [id, round] })))
    for (const id of ids) model.set(id, round)
    await index.delete([round, round + 1])
    model.delete(round)
    model.delete(round + 1)
    if (round % 3 === 0) await index.optimize()
    if (round % 2) await index.flush()
    const rounds = Array.from(await storedRows(index), ([id, vector]) => [id, vector[1]])
    t.deepEqual(rounds.map(String).sort(), Array.from(model, String).sort())
    await index.close()
  }
  t.true(readdirSync(directory).length < 60, 'files that nobody needs are removed')
})

test('an option that differs from what is stored is refused, others may change', async (t) => {
  const directory = freshPath(t)
  await (await Index.open(directory, { dimensions: D, metric: 'l2', codes: 'sq8', coarse: 'hnsw' })).close()
  const different: OpenOptions[] = [
    { dimensions: D + 1 },
    { metric: 'cosine' },
    { codes: 'none' },
    { codes: pq },
    { coarse: 'flat' },
    { vectors: 'memory' },
    { precision: 'f16' },
    { hnsw: { m: 20 } },
    { hnsw: { efConstruction: 99 } },
    { seed: 12345 },
  ]
  for (const options of different) {
    const name = Object.keys(options)[0] as string
    await rejects(t, Index.open(directory, options), 'E_ARGUMENT', new RegExp(name))
  }
  const index = await Index.open(directory, { threads: 1, durability: 'os', io: 'pread', metric: 'l2' })
  t.is(index.options.threads, 1)
  t.is(index.options.durability, 'os')
  await index.close()
})

test('open of nothing, without enough to make something', async (t) => {
  const directory = freshPath(t)
  await rejects(t, Index.open(directory), 'E_NOT_FOUND')
  t.false(existsSync(directory))
  const error = await Index.open(directory, { metric: 'l2' }).then(() => undefined, (error) => error)
  t.true(['E_NOT_FOUND', 'E_ARGUMENT'].includes(error.code), String(error))
  t.false(existsSync(directory))
})

test('a path that is a file', async (t) => {
  const file = freshPath(t)
  writeFileSync(file, 'not an index')
  const error = await rejects(t, Index.open(file, { dimensions: 2 }), 'E_ARGUMENT')
  t.true(error.message.includes(file))
  await rejects(t, Index.open(file), 'E_ARGUMENT')
  await rejects(t, Index.open(path.join(file, 'below'), { dimensions: 2 }), 'E_IO')
  t.is(readFileSync(file, 'utf8'), 'not an index')
})

test('a directory that is not an index', async (t) => {
  const directory = freshPath(t)
  mkdirSync(directory)
  writeFileSync(path.join(directory, 'holiday.jpg'), 'a picture')
  const codes = ['E_ARGUMENT', 'E_NOT_FOUND']
  for (const options of [{ dimensions: 2 }, {}, { readOnly: true }]) {
    const error = await Index.open(directory, options).then(() => undefined, (error) => error)
    t.true(codes.includes(error?.code), `${JSON.stringify(options)}: ${error}`)
    t.true(error.message.includes(directory))
  }
  t.deepEqual(readdirSync(directory), ['holiday.jpg'])
})

test('a truncated or emptied file is a coded error, or costs a rebuild', async (t) => {
  const directory = freshPath(t)
  const index = await Index.open(directory, { dimensions: D, codes: pq, coarse: 'hnsw', metric: 'l2' })
  await fill(index)
  await index.optimize()
  const before = await snapshot(index)
  await index.close()
  for (const name of readdirSync(directory)) {
    const file = path.join(directory, name)
    const whole = readFileSync(file)
    for (const length of [0, 10, Math.floor(whole.length / 2), whole.length - 1].filter((n) => n >= 0 && n < whole.length)) {
      truncateSync(file, length)
      const opened = await Index.open(directory, { readOnly: true }).catch((error) => error)
      if (opened instanceof Index) {
        const after = await snapshot(opened).catch((error) => error)
        if (after instanceof Error) t.is((after as { code?: string }).code, 'E_CORRUPT', `${name} at ${length}`)
        else t.deepEqual((after as typeof before).items, before.items, `${name} at ${length}`)
        await opened.close()
      } else {
        t.true(['E_CORRUPT', 'E_NOT_FOUND'].includes(opened.code), `${name} at ${length}: ${opened}`)
      }
      writeFileSync(file, whole)
    }
  }
  const healed = await Index.open(directory)
  t.deepEqual(await snapshot(healed), before)
  await healed.close()
})
