// The processes of the reopen bench. reopen-child.ts fill|write|open|read FOLDER ROWS [BATCHES]
import fs from 'node:fs'
import path from 'node:path'
import { Index, type Item } from 'bigrain'
import { BATCH, distance, nearest, type Query, Story } from './reopen-data.ts'
import { DIMENSIONS, rowOf } from './rows.ts'

const K = 10
/** The log is to be this long; writing stops short of it by less than a batch, because at it a checkpoint would begin. */
export const LOG_BYTES = 64 * 2 ** 20

export type Told =
  | { written: { batches: number; rows: number; logBytes: number } }
  | { opened: { open: number; answers: number; recall: number; size: number; unlinked: number } }
  | { read: { milliseconds: number; bytes: number } }
  | { failed: string }

const tell = (message: Told) => new Promise<void>((resolve) => process.send?.(message, () => resolve()))

/** The index of the checkpoint, optimised and closed. */
async function fill(folder: string, story: Story): Promise<void> {
  const index = await Index.open(folder, { dimensions: DIMENSIONS })
  const step = 10_000
  for (let from = 0; from < story.rows; from += step) {
    const ids = Uint32Array.from({ length: Math.min(step, story.rows - from) }, (_, row) => from + row)
    await index.add({ ids, vectors: story.vectors.subarray(from * DIMENSIONS, (from + ids.length) * DIMENSIONS) })
  }
  await index.optimize()
  await index.close()
}

/** Writes until the log behind the checkpoint is as long as it gets, says so, and waits for its end. */
async function write(folder: string, story: Story): Promise<void> {
  const index = await Index.open(folder)
  let [batches, logBytes, longest] = [0, 0, 0]
  for (; logBytes + longest < LOG_BYTES; batches++) {
    const { ids, vectors, deleted } = story.batch(batches)
    await index.add({ ids, vectors })
    if (deleted.length > 0) await index.delete(deleted)
    const { behind } = index.stats().writes
    if (behind <= logBytes) throw new Error('the log got shorter: a checkpoint was made')
    longest = Math.max(longest, behind - logBytes)
    logBytes = behind
  }
  await tell({ written: { batches, rows: batches * BATCH, logBytes } })
  setInterval(() => {}, 1_000)
}

const LOG = /^log-\d+\.grain$/

/** The files that a checkpoint is: all but the logs and the lock. */
export const checkpointFiles = (folder: string): string[] =>
  fs.readdirSync(folder).filter((name) => !LOG.test(name) && name !== 'LOCK').toSorted().map((name) => path.join(folder, name))

/** Reads the checkpoint's files from their beginnings to their ends. */
async function read(folder: string): Promise<void> {
  const buffer = Buffer.alloc(1 << 20)
  const started = performance.now()
  let bytes = 0
  for (const file of checkpointFiles(folder)) {
    const fd = fs.openSync(file, 'r')
    for (let got = fs.readSync(fd, buffer); got > 0; got = fs.readSync(fd, buffer)) bytes += got
    fs.closeSync(fd)
  }
  await tell({ read: { milliseconds: performance.now() - started, bytes } })
}

/** One question about each kind of row: untouched, only in the log, replaced and deleted by it. */
function questions(story: Story, batches: number): Query[] {
  const replacing = story.batch(9)
  const gone = story.batch(6).deleted[0] as number
  return [
    { what: 'between two words', vector: story.batch(1_000_000).vectors.subarray(0, DIMENSIONS) },
    { what: 'a row of the first batch of the log', vector: rowOf(story.batch(0).vectors, 1) },
    { what: 'a row of the last batch of the log', vector: rowOf(story.batch(batches - 1).vectors, BATCH - 1) },
    { what: 'a row that replaced one', vector: rowOf(replacing.vectors, BATCH - 1) },
    { what: 'a row that was deleted', vector: rowOf(story.vectors, gone) },
  ]
}

/** Opens, asks, stops the clock, and only then looks at what the answers should have been. */
async function open(folder: string, story: Story, batches: number): Promise<void> {
  const asked = questions(story, batches)
  const started = performance.now()
  const index = await Index.open(folder)
  const opened = performance.now()
  const answers = []
  for (const { vector } of asked) answers.push(await index.search(vector, { k: K }))
  const answered = performance.now()
  const { unlinked } = index.stats()
  const { live, logged, deleted } = story.after(batches)
  if (index.size !== live.size) throw new Error(`${live.size} rows should be there, and ${index.size} are`)
  let right = 0
  for (const [n, { what, vector }] of asked.entries()) {
    const hits = answers[n] as { id: number; distance: number }[]
    for (const { id, distance: said } of hits) {
      const row = live.get(id)
      if (!row) throw new Error(`${what}: id ${id} is no row any more`)
      if (Math.abs(distance(vector, row) - said) > 1e-6) throw new Error(`${what}: the distance of id ${id} is wrong`)
    }
    const found = new Set(hits.map(({ id }) => id))
    const truth = nearest(live, vector, K)
    // rows that only the log has are in no graph yet: they are compared one by one, and none may be missed
    const missed = truth.find(({ id }) => logged.has(id) && !found.has(id))
    if (missed) throw new Error(`${what}: id ${missed.id}, which is only in the log, was not found`)
    right += truth.filter(({ id }) => found.has(id)).length
  }
  const samples = [...logged].filter((_, n) => n % 997 === 0)
  const items: (Item | undefined)[] = await index.get(samples)
  samples.forEach((id, n) => {
    const [wanted, got] = [live.get(id) as Float32Array, items[n]?.vector as Float32Array | undefined]
    if (!got || wanted.some((value, at) => value !== got[at])) throw new Error(`the row of id ${id} came back changed`)
  })
  const back = [...deleted].find((id) => index.has(id))
  if (back !== undefined) throw new Error(`id ${back} was deleted, and is back`)
  const recall = right / (asked.length * K)
  if (recall < 0.9) throw new Error(`recall@${K} is ${recall}`)
  await tell({ opened: { open: opened - started, answers: answered - opened, recall, size: index.size, unlinked } })
  // not closed: that would make a checkpoint, and the next one is to find what this one found
  process.kill(process.pid, 'SIGKILL')
}

async function main(): Promise<void> {
  const [what, folder, rows, batches] = process.argv.slice(2) as [string, string, string, string]
  if (what === 'read') return read(folder)
  const story = new Story(Number(rows))
  if (what === 'fill') return fill(folder, story)
  if (what === 'write') return write(folder, story)
  if (what === 'open') return open(folder, story, Number(batches))
  throw new Error(`what is ${what}?`)
}

// Only as a program: the parent takes some of this from here.
if (process.argv[1]?.endsWith('reopen-child.ts')) {
  main().catch(async (error) => {
    await tell({ failed: String(error?.stack ?? error) })
    process.exit(1)
  })
}
