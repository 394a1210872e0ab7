// npm run bench -- facade [--rows N] [--ef N] [--rounds N]: what the way from JavaScript to the engine and back costs, on GloVe word
// vectors. Everything is timed in slices that take turns, over the same queries of the same index.
import { parseArgs } from 'node:util'
import native, { type NativeIndex } from '#native'
import { Index } from 'bigrain'
import { glove, holdOut, take } from '../scripts/lib/data.mjs'
import { percentile, table, whole } from '../scripts/lib/table.mjs'

const K = 10
const DIMENSIONS = 100
const QUERIES = 1_000
/** Queries of one slice: short, so that most slices are over before the machine does something else. */
const SLICE = 100
/** Rounds before those that count. */
const WARM = 20
/** Microseconds that a call may cost beyond what it is held against, and the share of a batch. */
const GOALS = { sync: 2, async: 5, batch: 0.01 }

/** The addon's own handle of an index: what `stats` is called on. */
function handleOf(index: Index): NativeIndex {
  const prototype = native.NativeIndex.prototype
  const { stats } = prototype
  const seen: { handle?: NativeIndex } = {}
  prototype.stats = function (this: NativeIndex) {
    seen.handle = this
    return stats.call(this)
  }
  index.stats()
  prototype.stats = stats
  if (!seen.handle) throw new Error('stats() did not reach the addon')
  return seen.handle
}

interface Made {
  index: Index
  queries: Float32Array
}

async function make(rows: number): Promise<Made> {
  const { words, vectors } = await glove()
  const { held, rest } = holdOut(words.length, QUERIES, 1)
  const index = new Index({ dimensions: DIMENSIONS, coarse: 'hnsw', codes: 'none', seed: 1 })
  await index.add({ ids: Uint32Array.from({ length: rows }, (_, row) => row), vectors: take(vectors, DIMENSIONS, rest.subarray(0, rows)) })
  await index.optimize()
  return { index, queries: take(vectors, DIMENSIONS, held) }
}

/** Microseconds a query, of those from `from` on. */
type Slice = (from: number) => number | Promise<number>

/** What a query of each slice takes in each round. Every round begins with another slice. */
async function inTurn<Name extends string>(slices: Record<Name, Slice>, rounds: number): Promise<Record<Name, number[]>> {
  const names = Object.keys(slices) as Name[]
  const taken = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = -WARM; round < rounds; round++) {
    const from = ((round + WARM) * SLICE) % QUERIES
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round + WARM) % names.length] as Name
      const microseconds = await slices[name](from)
      if (round >= 0) taken[name].push(microseconds)
    }
  }
  return taken
}

const median = (values: readonly number[]): number => percentile(values, 0.5)

/** Calls `work` once a query and times all of it. */
function each(queries: readonly Float32Array[], work: (query: Float32Array) => unknown): Slice {
  return (from) => {
    const started = performance.now()
    for (let at = from; at < from + SLICE; at++) work(queries[at] as Float32Array)
    return ((performance.now() - started) * 1000) / SLICE
  }
}

/** The same, one after the other. */
function eachAwaited(queries: readonly Float32Array[], work: (query: Float32Array) => Promise<unknown>): Slice {
  return async (from) => {
    const started = performance.now()
    for (let at = from; at < from + SLICE; at++) await work(queries[at] as Float32Array)
    return ((performance.now() - started) * 1000) / SLICE
  }
}

/** One call for all queries. */
function batched(work: () => Promise<unknown>): Slice {
  return async () => {
    const started = performance.now()
    await work()
    return ((performance.now() - started) * 1000) / QUERIES
  }
}

/** The exit code: 1 where a goal was missed. */
export async function bench(argv: string[]): Promise<number> {
  const option = (value: string) => ({ type: 'string', default: value }) as const
  const { values } = parseArgs({ args: argv, options: { rows: option('50000'), ef: option('64'), rounds: option('101') } })
  const ef = Number(values.ef)
  const { index, queries } = await make(Number(values.rows))
  const [handle, threads] = [handleOf(index), index.options.threads as number]
  const rows = Array.from({ length: QUERIES }, (_, n) => queries.subarray(n * DIMENSIONS, (n + 1) * DIMENSIONS))
  const options = { k: K, ef }
  const rust: Slice = (from) => native.timeSearches(handle, queries.subarray(from * DIMENSIONS, (from + SLICE) * DIMENSIONS), K, ef) / 1000 / SLICE
  // While another thread works, this one falls asleep, and waking it takes long on some machines: beside a task that is over at once stands one
  // that takes as long as a search.
  const asLong = Math.min(...Array.from({ length: WARM }, () => rust(0) as number))
  const taken = await inTurn({
    rust,
    sync: each(rows, (query) => index.searchSync(query, options)),
    again: rust,
    search: eachAwaited(rows, (query) => index.search(query, options)),
    nothing: eachAwaited(rows, () => native.doNothing()),
    waiting: eachAwaited(rows, () => native.doNothing(asLong)),
    rustBatch: () => native.timeBatch(handle, queries, K, ef, threads) / 1000 / QUERIES,
    batch: batched(() => index.searchBatch(queries, options)),
    rustBatch1: () => native.timeBatch(handle, queries, K, ef, 1) / 1000 / QUERIES,
    batch1: batched(() => index.searchBatch(queries, { ...options, threads: 1 })),
  }, Number(values.rounds))
  await index.close()
  // differences within a round: what slows the machine for a while slows both sides
  const beyond = (a: readonly number[], b: readonly number[]) => median(a.map((value, round) => value - (b[round] as number)))
  const share = (a: readonly number[], b: readonly number[]) => median(a.map((value, round) => value / (b[round] as number))) - 1
  const us = (value: number) => `${value.toFixed(2)} us`
  const percent = (value: number) => `${(value * 100).toFixed(2)} %`
  let missed = 0
  const line = (name: string, own: number[], against: string, other: number[], cost: number, goal: number, show: (value: number) => string) => {
    if (cost > goal) missed++
    return [name, us(median(own)), against, us(median(other)), show(cost), show(goal), cost <= goal ? 'met' : 'missed']
  }
  const answered = taken.search.map((value, round) => value - (taken.rust[round] as number))
  console.log(`\nGloVe, ${whole(Number(values.rows))} rows, hnsw, ef ${ef}, k ${K}; medians of ${values.rounds} rounds of slices in turn; a query:\n`)
  console.log(table([
    ['call', 'takes', 'against', 'takes', 'costs', 'goal', ''],
    ['Rust again', us(median(taken.again)), 'Rust', us(median(taken.rust)), us(beyond(taken.again, taken.rust)), '', ''],
    line('searchSync', taken.sync, 'Rust', taken.rust, beyond(taken.sync, taken.rust), GOALS.sync, us),
    line('search', taken.search, 'waiting', taken.waiting, beyond(taken.search, taken.waiting), GOALS.async, us),
    line('search, less Rust', answered, 'nothing', taken.nothing, beyond(answered, taken.nothing), GOALS.async, us),
    line(`searchBatch, ${threads} threads`, taken.batch, 'Rust', taken.rustBatch, share(taken.batch, taken.rustBatch), GOALS.batch, percent),
    line('searchBatch, 1 thread', taken.batch1, 'Rust', taken.rustBatch1, share(taken.batch1, taken.rustBatch1), GOALS.batch, percent),
  ]))
  return missed === 0 ? 0 : 1
}
