// npm run bench [-- --rows N] : how long things take, on GloVe word vectors, measured by tinybench.
// npm run bench -- durable | facade | limits | memory | recall | reopen | threads : what durable writes cost; what calling costs; how near
// searching and building come to what the machine can do; whether `stats` knows what an index holds; whether a recall that is asked
// for is found; what opening costs after a kill; and what a second thread gives. They have options of their own.
import { parseArgs } from 'node:util'
import { Index } from 'bigrain'
import { Bench, type BenchOptions } from 'tinybench'
import { glove, holdOut, take } from '../scripts/lib/data.mjs'
import { main, must } from '../scripts/lib/run.mjs'
import { table, whole } from '../scripts/lib/table.mjs'
import { eventLoopDelay } from './delay.ts'

const K = 10
const DIMENSIONS = 100
const QUERIES = 1_000
const HNSW = { dimensions: DIMENSIONS, coarse: 'hnsw', codes: 'none', seed: 1 } as const

interface Data {
  ids: Uint32Array
  vectors: Float32Array
  queries: Float32Array[]
}

async function load(rows: number): Promise<Data> {
  const { words, vectors } = await glove()
  const { held, rest } = holdOut(words.length, QUERIES, 1)
  const queries = take(vectors, DIMENSIONS, held)
  return {
    ids: Uint32Array.from({ length: rows }, (_, row) => row),
    vectors: take(vectors, DIMENSIONS, rest.subarray(0, rows)),
    queries: Array.from({ length: QUERIES }, (_, n) => queries.subarray(n * DIMENSIONS, (n + 1) * DIMENSIONS)),
  }
}

/** Gives the queries in turn, so that no run is of one query alone. */
function inTurn(queries: readonly Float32Array[]): () => Float32Array {
  let next = 0
  return () => queries[next++ % queries.length] as Float32Array
}

/** Milliseconds with as many places as say something. */
const ms = (value: number): string => `${value.toPrecision(value < 1000 ? 3 : 4)} ms`

const rate = (perSecond: number): string => (perSecond < 100 ? perSecond.toPrecision(3) : whole(perSecond))

/** Runs one group of tasks and prints its table; a task that threw fails the benchmark. */
async function group(name: string, tasks: Record<string, () => unknown>, options: BenchOptions = {}): Promise<void> {
  const bench = new Bench({ name, time: 1000, warmupTime: 200, throws: true, ...options })
  for (const [task, work] of Object.entries(tasks)) bench.add(task, work as () => void)
  await bench.run()
  const rows = bench.tasks.map(({ name: task, result }) => {
    if (!('latency' in result)) throw new Error(`${task}: ${result.state}`)
    const { p50, p99, mean, samplesCount } = result.latency
    return [task, ms(p50), ms(p99), rate(1000 / mean), whole(samplesCount)]
  })
  console.log(`\n${table([[name, 'median', '99th percentile', 'a second', 'runs'], ...rows])}`)
}

async function built(options: ConstructorParameters<typeof Index>[0], data: Data): Promise<Index> {
  const index = new Index(options)
  await index.add({ ids: data.ids, vectors: data.vectors })
  await index.optimize()
  return index
}

async function building(data: Data): Promise<void> {
  const rows = Math.min(10_000, data.ids.length)
  const part = { ...data, ids: data.ids.subarray(0, rows), vectors: data.vectors.subarray(0, rows * DIMENSIONS) }
  const build = (options: object) => async () => (await built({ ...HNSW, ...options }, part)).close()
  await group(`build, ${whole(rows)} rows`, {
    'flat': build({ coarse: 'flat' }),
    'hnsw': build({}),
    'hnsw, one thread': build({ threads: 1 }),
    'hnsw, sq8': build({ codes: 'sq8' }),
    'hnsw, pq 50 bytes': build({ codes: { type: 'pq', bytes: 50 } }),
  }, { iterations: 3, time: 0, warmup: false })
}

/** The part of the true nearest that a search finds: speed alone says nothing. */
function recall(index: Index, truth: Index, data: Data, options: object): number {
  let right = 0
  for (const query of data.queries) {
    const wanted = new Set(truth.searchSync(query, { k: K }).map((hit) => hit.id))
    right += index.searchSync(query, { k: K, ...options }).filter((hit) => wanted.has(hit.id)).length
  }
  return right / (data.queries.length * K)
}

async function searching(index: Index, flat: Index, data: Data): Promise<void> {
  const next = inTurn(data.queries)
  const efforts = [16, 32, 64, 128, 256]
  const tasks = efforts.map((ef) => [`hnsw, ef ${ef}`, () => index.searchSync(next(), { k: K, ef })] as const)
  await group(`search, ${whole(data.ids.length)} rows, one query on one thread`, { 'exact scan': () => flat.searchSync(next(), { k: K }), ...Object.fromEntries(tasks) })
  console.log(`\n${table([['what they find', 'recall@10'], ...efforts.map((ef) => [`hnsw, ef ${ef}`, recall(index, flat, data, { ef }).toFixed(4)])])}`)
}

async function waysToCall(index: Index, data: Data): Promise<void> {
  const next = inTurn(data.queries)
  await group('one query at a time: sync against async', {
    'searchSync': () => index.searchSync(next(), { k: K }),
    'await search': () => index.search(next(), { k: K }),
  })
  const many = data.queries.slice(0, 256)
  const flat = Float32Array.from(many.flatMap((query) => [...query]))
  await group('256 queries: batch against single', {
    'searchBatch': () => index.searchBatch(flat, { k: K }),
    'searchBatch, one thread': () => index.searchBatch(flat, { k: K, threads: 1 }),
    '256 concurrent search': () => Promise.all(many.map((query) => index.search(query, { k: K }))),
    '256 times searchSync': () => many.map((query) => index.searchSync(query, { k: K })),
  })
}

/** The other benches, by the word that asks for them. */
const OTHERS: Record<string, (argv: string[]) => Promise<number>> = {
  facade: async (argv) => (await import('./facade.ts')).bench(argv),
  durable: async (argv) => (await import('./durable/bench.ts')).bench(argv),
  limits: async (argv) => (await import('./limits.ts')).bench(argv),
  memory: async (argv) => (await import('./memory.ts')).bench(argv),
  recall: async (argv) => (await import('./recall.ts')).bench(argv),
  reopen: async (argv) => (await import('./durable/reopen.ts')).bench(argv),
  threads: async (argv) => (await import('./threads.ts')).bench(argv),
}

main(async () => {
  const other = OTHERS[process.argv[2] ?? '']
  if (other) return other(process.argv.slice(3))
  const { values } = parseArgs({ options: { rows: { type: 'string', default: '50000' }, 'no-kernels': { type: 'boolean', default: false } } })
  if (!values['no-kernels']) await must('cargo', ['run', '--quiet', '--locked', '--profile', 'bench', '-p', 'bench'])
  const data = await load(Number(values.rows))
  await building(data)
  const [index, flat] = [await built(HNSW, data), await built({ dimensions: DIMENSIONS, coarse: 'flat', codes: 'none' }, data)]
  await searching(index, flat, data)
  await waysToCall(index, data)
  console.log(await eventLoopDelay(index, data.queries))
  await index.close()
  await flat.close()
})
