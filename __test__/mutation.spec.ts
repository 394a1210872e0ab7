// A saved index with one thing wrong in one file: the same answers or a coded error, never a crash, a hang or other answers.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { Index, type OpenOptions } from '../index.ts'
import { answers } from './fixtures/answers.ts'
import { clustered, freshPath, range, runFixture } from './helpers.ts'

const SEED = 20_240_601
const HANG_MS = 60_000

interface Counts {
  same: number
  coded: number
  other: string[]
  crash: string[]
}

interface Damaged {
  name: string
  rows: number
  mutations: number
  options: OpenOptions
}

/** Two indexes: rows, codes and links in files of all kinds. */
const indexes: Damaged[] = [
  {
    name: 'rows on disk, pq, hnsw',
    rows: 4200,
    mutations: 700,
    options: { dimensions: 4, metric: 'l2', coarse: 'hnsw', codes: { type: 'pq', bytes: 2 }, hnsw: { m: 4, efConstruction: 16 } },
  },
  {
    name: 'rows in memory, sq8, hnsw',
    rows: 700,
    mutations: 1400,
    options: { dimensions: 8, coarse: 'hnsw', codes: 'sq8', vectors: 'memory', precision: 'f16', hnsw: { m: 6, efConstruction: 30 } },
  },
]

test('mutations of saved indexes', async (t) => {
  t.timeout(20 * 60_000)
  const all = await Promise.all(indexes.map((one) => damage(t, one)))
  const sum = (count: (counts: Counts) => number) => all.reduce((total, counts) => total + count(counts), 0)
  const mutations = indexes.reduce((total, one) => total + one.mutations, 0)
  const [same, coded] = [sum((counts) => counts.same), sum((counts) => counts.coded)]
  const [other, crash] = [sum((counts) => counts.other.length), sum((counts) => counts.crash.length)]
  t.log(`${mutations} mutations, seed ${SEED}: ${same} same, ${coded} coded error, ${other} other answers, ${crash} crash`)
  t.true(mutations >= 2000)
  t.is(same + coded, mutations)
})

/** Saves an index, and counts what becomes of its mutations. */
async function damage(t: ExecutionContext, { name, rows, mutations, options }: Damaged): Promise<Counts> {
  const saved = freshPath(t)
  const index = await Index.open(saved, options)
  const ids = range(rows).map((i) => (i % 3 ? i : `text ${i}`))
  await index.add({ ids, vectors: clustered(rows, options.dimensions as number, 5), metadata: ids.map((id) => ({ id })) })
  await index.optimize()
  // Tombstones, too.
  await index.delete(ids.filter((_, i) => i % 50 === 0))
  const expected = `${saved}.json`
  writeFileSync(expected, await answers(index))
  t.is(index.stats().chosen.coarse, 'hnsw')
  t.true(index.stats().memory.codes > 0)
  await index.close()

  const before = fingerprint(saved)
  const counts = await run(t, saved, expected, mutations)
  t.deepEqual(counts.other, [], name)
  t.deepEqual(counts.crash, [], name)
  t.true(counts.same > 0, `${name}: damaged derived files are rebuilt`)
  t.true(counts.coded > 0, name)
  t.deepEqual(fingerprint(saved), before, `${name}: a saved file was changed in place`)
  return counts
}

function fingerprint(directory: string): string[] {
  return readdirSync(directory).map((name) => `${name} ${createHash('sha256').update(readFileSync(path.join(directory, name))).digest('hex')}`)
}

/** Runs all mutations; a child that dies or hangs is counted, and the next one goes on behind. */
async function run(t: ExecutionContext, saved: string, expected: string, mutations: number): Promise<Counts> {
  const counts: Counts = { same: 0, coded: 0, other: [], crash: [] }
  const work = `${saved}.work`
  mkdirSync(work)
  for (let from = 0; from < mutations; ) {
    from = await runChild(t, [saved, work, expected, String(SEED), String(from), String(mutations)], counts, from)
  }
  return counts
}

/** One child, until it is done or dead. Gives the mutation to go on with. */
async function runChild(t: ExecutionContext, args: string[], counts: Counts, from: number): Promise<number> {
  const child = runFixture(t, 'mutate.ts', args)
  let stderr = ''
  child.stderr?.on('data', (chunk) => (stderr = (stderr + chunk).slice(-2000)))
  let next = from
  let running = 'start'
  let hung = false
  const hang = () => {
    hung = true
    child.kill('SIGKILL')
  }
  let timer = setTimeout(hang, HANG_MS)
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    clearTimeout(timer)
    timer = setTimeout(hang, HANG_MS)
    const { i, mutation, outcome } = JSON.parse(line) as { i: number; mutation?: string; outcome?: string }
    if (mutation) running = `${i}: ${mutation}`
    if (outcome === undefined) continue
    next = i + 1
    if (outcome === 'same' || outcome === 'coded') counts[outcome]++
    else counts.other.push(`${running}: ${outcome}`)
  }
  clearTimeout(timer)
  const code = child.exitCode ?? child.signalCode ?? (await new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal))))
  if (code === 0) return Number(args[5])
  counts.crash.push(`${running}: ${hung ? 'hung' : `ended with ${code}`} ${stderr}`)
  return next + 1
}
