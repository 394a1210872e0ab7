// Calls every method many times and says what stayed: one line of JSON a method. Run by `leaks.mjs` with --expose-gc.
// Its only argument (JSON): calls of each method, cycles of open and close, directory to work in, the number of the only method
// to call if not all are meant, and bytes by which the process may grow.
import fs from 'node:fs'
import path from 'node:path'
import { Index } from 'bigrain'
import { seeded } from './random.mjs'

const { calls, cycles, directory, only, most } = JSON.parse(process.argv[2])
const DIMENSIONS = 8
/** As few as codes can be trained on: 100,000 trainings are many. */
const ROWS = 256
/** Asynchronous calls under way at once. */
const IN_FLIGHT = 64
/** After so many writes what they left behind is reclaimed: replaced rows stay until then by design. */
const RECLAIM = 1_000
/** One call in so many is aborted when it has begun, and may be done by then: what that takes is taken early on, too. */
const LATE = 8
/** So many times the calls are made where the process grew by too much. */
const STRETCHES = 3

const random = seeded(4)
const NOISE = Float32Array.from({ length: (ROWS + 1) * DIMENSIONS }, () => random.unit() + 0.1)
const vector = (i) => NOISE.subarray((i % ROWS) * DIMENSIONS, ((i % ROWS) + 1) * DIMENSIONS)
const item = (i) => ({ id: i % 2 ? i % ROWS : `text ${i % ROWS}`, vector: vector(i), metadata: { i, text: 'some text' } })
const idOf = (i) => item(i).id
const columns = () => Array.from({ length: ROWS }, (_, i) => item(i))
const fresh = (name) => path.join(directory, name)
const remove = (folder) => fs.rmSync(folder, { recursive: true, force: true })

const openFiles = () => (fs.existsSync('/proc/self/fd') ? fs.readdirSync('/proc/self/fd').length : undefined)

/** Resident bytes once the garbage is gone. Finalizers of native objects run in turns of the event loop. */
async function resident() {
  for (let round = 0; round < 4; round++) {
    globalThis.gc()
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  return process.memoryUsage.rss()
}

/** `call(i)` for i from `from` to `to`, several at once where it gives promises. */
async function repeat(from, to, call, width = IN_FLIGHT) {
  let next = from
  const one = async () => { while (next < to) await call(next++) }
  if (width === 1) return await one()
  await Promise.all(Array.from({ length: width }, one))
}

/** Synchronous calls, with the event loop let in between. */
async function repeatSync(from, to, call) {
  for (let i = from; i < to; i++) {
    call(i)
    if (i % 1000 === 0) await new Promise((resolve) => { setImmediate(resolve) })
  }
}

const rejected = (code) => (error) => { if (error?.code !== code) throw error ?? new Error(`${code} expected`) }
const thrown = (code, call) => {
  try {
    call()
  } catch (error) {
    return rejected(code)(error)
  }
  throw new Error(`${code} expected`)
}

/** A call that is aborted at once, or when it has begun. */
async function aborted(i, call) {
  const stop = new AbortController()
  const answer = call(stop.signal).then(() => {}, rejected('E_ABORTED'))
  if (i % LATE === 0) await new Promise((resolve) => { setImmediate(resolve) })
  stop.abort()
  await answer
}

/** A write, and now and then what its predecessors left is reclaimed. */
const reclaiming = (index, call) => async (i) => {
  await call(i)
  if (i % RECLAIM === RECLAIM - 1) await index.optimize()
}

/** What is measured: a name, and how the calls of a range are made. */
function work(index) {
  const query = vector(7)
  const many = NOISE.subarray(0, 3 * DIMENSIONS)
  const sync = (call) => (from, to) => repeatSync(from, to, call)
  const async = (call, width) => (from, to) => repeat(from, to, call, width)
  return [
    ['has', sync((i) => index.has(idOf(i)))],
    ['stats', sync(() => index.stats())],
    ['ids', sync(() => { for (const id of index.ids()) if (id === '') throw new Error('an empty id') })],
    ['searchSync', sync((i) => index.searchSync(vector(i), i % 3 ? {} : { include: ['metadata', 'vector'] }))],
    ['search', async((i) => index.search(query, i % 3 ? { signal: new AbortController().signal } : { include: ['metadata', 'vector'] }))],
    ['searchBatch', async((i) => index.searchBatch(many, { k: 3 }).then((matches) => matches.ids(i % 3)))],
    ['get', async((i) => index.get([idOf(i), 'absent']))],
    ['throws', sync((i) => (i % 2 ? thrown('E_DIMENSIONS', () => index.searchSync([1])) : thrown('E_ARGUMENT', () => index.has(-1))))],
    ['rejects', async((i) => (i % 2 ? index.search([Number.NaN, ...query.subarray(1)]).then(rejected(), rejected('E_NOT_FINITE')) : index.get([{}]).then(rejected(), rejected('E_ARGUMENT'))))],
    ['aborts', async((i) => aborted(i, (signal) => index.searchBatch(NOISE, { signal })))],
    ['add', async(reclaiming(index, (i) => index.add([item(i)])))],
    ['add, columns', async(reclaiming(index, (i) => index.add({ ids: [i % ROWS, (i + 1) % ROWS], vectors: many.subarray(0, 2 * DIMENSIONS) })))],
    ['add, iterable', async(reclaiming(index, (i) => index.add(new Set([item(i)]))))],
    ['delete', async(reclaiming(index, async (i) => { if (i % ROWS === 0) await index.add(columns()); await index.delete([idOf(i)]) }))],
    ['flush', async(reclaiming(index, (i) => Promise.all([index.add([item(i)]), index.flush()])), 1)],
    ['optimize', async((i) => Promise.all([index.add([item(i)]), index.optimize()]), 1)],
    ['train', async(() => index.train(), 1)],
    ['verify', async(() => index.verify(), 1)],
    ['snapshot', async(async () => { const to = fresh('copy'); await index.snapshot(to); remove(to) }, 1)],
    ['new, add, close', async(async (i) => { const one = new Index({ dimensions: DIMENSIONS }); await one.add([item(i)]); await one.close() }, 8)],
  ]
}

/** Whether this version has a method. */
const has = async (index, name) => {
  if (name !== 'verify' && name !== 'snapshot') return true
  return await index[name](fresh('probe')).then(() => true, (error) => !/not in this version/.test(error.message))
}

/**
 * Makes the calls and tells how much larger the process was after all of them than after a fifth. How much of what was freed the
 * allocator and V8 hold on to depends on how many calls happened to be under way at once; a leak grows with every call. Where the
 * process grew by more than is allowed, the same calls are made again, and what they added counts if it is less.
 */
async function measure(name, count, make, settle = () => {}) {
  const started = performance.now()
  const fifth = Math.ceil(count / 5)
  await make(0, fifth)
  await settle()
  const files = openFiles()
  let [before, growth] = [await resident(), Infinity]
  for (let stretch = 0; stretch < STRETCHES && growth > most; stretch++) {
    await make(fifth, count)
    await settle()
    const after = await resident()
    growth = Math.min(growth, after - before)
    before = after
  }
  console.log(JSON.stringify({ name, calls: count, growth, files: files === undefined ? undefined : openFiles() - files, ms: performance.now() - started }))
}

const options = { dimensions: DIMENSIONS, metric: 'l2', codes: 'sq8', coarse: 'flat', vectors: 'disk', durability: 'os', threads: 2 }

async function cycle(i) {
  const index = await Index.open(fresh('cycles'), options)
  await index.add([item(i), item(i + 1)])
  await index.search(vector(i))
  if (i % 100 === 99) await index.optimize()
  await index.close()
}

await measure('open, add, search, close', cycles, (from, to) => repeat(from, to, cycle, 1))
const index = await Index.open(fresh('index'), options)
await index.add(columns())
await index.optimize()
const settle = async () => {
  await index.optimize()
  await index.flush()
}
for (const [number, [name, make]] of work(index).entries()) {
  if ((only ?? number) === number && (await has(index, name))) await measure(name, calls, make, settle)
}
await index.close()
