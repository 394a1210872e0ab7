// snapshot: a copy of one moment while writes go on. verify: what is wrong with the files, and where.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import test from 'ava'
import { Index } from '../index.ts'
import { clustered, freshPath, range, rejects, row } from './helpers.ts'

const D = 16
const ROWS = clustered(4000, D, 7)

const item = (id: number) => ({ id, vector: row(ROWS, id, D), metadata: { id } })

/** The first file of a kind in `directory`. */
function fileOf(directory: string, kind: string): string {
  const name = readdirSync(directory).find((one) => one.startsWith(`${kind}-`))
  return path.join(directory, name ?? `no ${kind}`)
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file)
  bytes[at < 0 ? bytes.length + at : at]! ^= 4
  writeFileSync(file, bytes)
}

for (const vectors of ['memory', 'disk'] as const) {
  test(`a snapshot taken while one caller writes is a prefix of its writes: vectors in ${vectors}`, async (t) => {
    const directory = freshPath(t)
    const index = await Index.open(directory, { dimensions: D, vectors, coarse: 'hnsw', durability: 'os' })
    let acknowledged = 0
    let writing = true
    const writer = (async () => {
      while (writing && acknowledged < ROWS.length / D) await index.add([item(acknowledged)]).then(() => acknowledged++)
    })()
    const copies: { path: string; least: number; most: number }[] = []
    for (const number of range(4)) {
      while (acknowledged < 40 * (number + 1)) await new Promise(setImmediate)
      const [copy, least] = [path.join(directory, '..', `${path.basename(directory)}-${number}`), acknowledged]
      await index.snapshot(copy)
      copies.push({ path: copy, least, most: acknowledged + 1 })
    }
    writing = false
    await writer
    await index.close()
    for (const { path: copy, least, most } of copies) {
      const opened = await Index.open(copy)
      t.true(opened.size >= least && opened.size <= most, `${opened.size} rows, ${least} to ${most} had been written`)
      const ids = [...opened.ids()].sort((a, b) => Number(a) - Number(b))
      t.deepEqual(ids, range(opened.size))
      for (const [at, found] of (await opened.get(ids)).entries()) t.deepEqual(found, { ...item(at) })
      t.true((await opened.verify()).ok)
      await opened.add([item(3999)])
      await opened.close()
    }
  })
}

test('an index in memory can be saved, and its copy is an index on disk', async (t) => {
  const copy = freshPath(t)
  const index = new Index({ dimensions: D, metric: 'l2' })
  await index.add(range(100).map(item))
  await index.snapshot(copy)
  await index.delete([5])
  await index.close()
  const opened = await Index.open(copy, { readOnly: true })
  t.is(opened.size, 100)
  t.deepEqual(opened.searchSync(row(ROWS, 5, D), { k: 1 }), [{ id: 5, distance: 0 }])
  await opened.close()
})

test('a snapshot replaces nothing', async (t) => {
  const directory = freshPath(t)
  const index = await Index.open(directory, { dimensions: D })
  await index.add([item(1)])
  await rejects(t, index.snapshot(directory), 'E_ARGUMENT', /already/)
  const taken = freshPath(t)
  mkdirSync(taken, { recursive: true })
  writeFileSync(path.join(taken, 'mine.txt'), 'mine')
  await rejects(t, index.snapshot(taken), 'E_ARGUMENT', /mine\.txt/)
  t.deepEqual(readdirSync(taken), ['mine.txt'])
  for (const bad of [undefined, '', 3, 'a\0b']) await rejects(t, index.snapshot(bad as string), 'E_ARGUMENT', /path/)
  await index.close()
  await rejects(t, index.snapshot(freshPath(t)), 'E_CLOSED')
  await rejects(t, index.verify(), 'E_CLOSED')
})

test('verify says what is wrong, with file and place, of an index that is open', async (t) => {
  const directory = freshPath(t)
  const index = await Index.open(directory, { dimensions: D, vectors: 'disk', coarse: 'hnsw', codes: 'sq8' })
  await index.add(range(2000).map(item))
  await index.optimize()
  const whole = await index.verify()
  t.deepEqual([whole.ok, whole.problems, whole.rows], [true, [], 2000])
  t.true(whole.files > 0 && whole.bytes > 2000 * D * 4)
  const [rows, graph] = [fileOf(directory, 'rows'), fileOf(directory, 'graph')]
  flip(rows, 5000)
  flip(graph, -100)
  const broken = await index.verify()
  t.false(broken.ok)
  t.true(broken.problems.some((problem) => problem.includes(path.basename(rows)) && /\d/.test(problem)), broken.problems.join('; '))
  t.true(broken.problems.some((problem) => problem.includes(path.basename(graph))), broken.problems.join('; '))
  flip(rows, 5000)
  flip(graph, -100)
  t.true((await index.verify()).ok)
  await index.close()
})
