// Asynchronous calls leave the event loop free; pending calls keep the process alive, idle indexes do not.
// One test at a time: they count what the loop does meanwhile.
import test from 'ava'
import { Index } from '../index.ts'
import { clustered, ended, freshPath, range, runFixture } from './helpers.ts'

/** Turns of the event loop until `work` is done. A call that blocks gives one or two: before its promise settles. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  let turns = 0
  let running = true
  const turn = () => {
    turns++
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  await work
  running = false
  return turns
}

test.serial('the loop turns while an index works', async (t) => {
  const dimensions = 64
  const n = 12_000
  const rows = clustered(n, dimensions, 2)
  const index = await Index.open(freshPath(t), { dimensions, coarse: 'hnsw', codes: { type: 'pq', bytes: 16 }, vectors: 'disk' })
  const least = 3
  t.true((await turnsDuring(index.add({ ids: range(n), vectors: rows }))) > least, 'add')
  t.true((await turnsDuring(index.optimize())) > least, 'optimize')
  t.true((await turnsDuring(index.train())) > least, 'train')
  t.true((await turnsDuring(index.searchBatch(rows))) > least, 'searchBatch')
  t.true((await turnsDuring(Promise.all(range(500).map((i) => index.search(rows.subarray(i * dimensions, (i + 1) * dimensions)))))) > least, 'search')
  // It finishes what was accepted; by itself it may have nothing left to save.
  const accepted = index.add({ ids: range(n), vectors: rows })
  t.true((await turnsDuring(index.close())) > least, 'close')
  await accepted
})

test.serial('timers fire between the results of a burst of searches', async (t) => {
  const index = new Index({ dimensions: 32 })
  await index.add({ ids: range(5000), vectors: clustered(5000, 32, 3) })
  const query = new Float32Array(32).fill(0.5)
  let settled = 0
  const searches = range(2000).map(() => index.search(query, { k: 100 }).then(() => settled++))
  const seen: number[] = []
  const timer = setInterval(() => seen.push(settled), 1)
  await Promise.all(searches)
  clearInterval(timer)
  t.true(new Set(seen).size > 2, 'all results came in one turn of the loop')
  await index.close()
})

test.serial('a pending call keeps the process alive, an idle index does not', async (t) => {
  const { code, signal, stdout, stderr } = await ended(runFixture(t, 'pending.ts'))
  t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' })
  t.regex(stdout, /added 5000\nfound 10\n/)
})

test.serial('a process may exit with calls running', async (t) => {
  const { code, signal, stdout } = await ended(runFixture(t, 'exit.ts'))
  t.deepEqual({ code, signal }, { code: 7, signal: null })
  t.is(stdout, 'exiting\n')
})
