// npm run bench -- recall [--sets a,b] [--kinds a,b] [--queries N]: search({ recall }) on queries that the index has never seen: what was
// asked for, what was found, and how long one search takes.
import { parseArgs } from 'node:util'
import { Index, type IndexOptions } from 'bigrain'
import { table, whole } from '../scripts/lib/table.mjs'
import { type DataSet, K, loadSet, prepareSet, recall } from './peers/sets.ts'

/** The sets that are made fast. */
const DEFAULT_SETS = ['glove-100', 'mnist-784']
const TARGETS = [0.8, 0.9, 0.95, 0.99]
/** How far below its target a recall may be found. */
const SLACK = 0.01

const KINDS: Record<string, Partial<IndexOptions>> = {
  'hnsw rabitq': { coarse: 'hnsw', codes: { type: 'rabitq' } },
  'ivf': { coarse: 'ivf' },
  'hnsw': { coarse: 'hnsw', codes: 'none' },
  'hnsw sq8': { coarse: 'hnsw', codes: 'sq8' },
  'hnsw pq': { coarse: 'hnsw', codes: { type: 'pq', bytes: 50 } },
  'flat binary': { coarse: 'flat', codes: 'binary' },
}

async function measured(set: DataSet, kind: string): Promise<{ rows: string[][]; missed: number }> {
  const { metric, dimensions, base } = set
  const index = new Index({ metric, dimensions, ...KINDS[kind] })
  await index.add({ ids: Uint32Array.from({ length: base.length / dimensions }, (_, row) => row), vectors: base })
  const began = performance.now()
  await index.optimize()
  const seconds = (performance.now() - began) / 1000
  const queries = Array.from({ length: set.queries.length / dimensions }, (_, n) => set.queries.subarray(n * dimensions, (n + 1) * dimensions))
  let missed = 0
  const rows = TARGETS.map((target) => {
    const started = performance.now()
    const answers = queries.map((query) => index.searchSync(query, { k: K, recall: target }).map(({ id }) => id as number))
    const each = ((performance.now() - started) * 1000) / queries.length
    const found = recall(set, answers)
    if (found < target - SLACK) missed++
    return [set.name, kind, String(target), found.toFixed(4), `${whole(each)} us`, `${seconds.toFixed(0)} s`]
  })
  await index.close()
  return { rows, missed }
}

/** The exit code: 1 where a target was missed. */
export async function bench(argv: string[]): Promise<number> {
  const { values } = parseArgs({ args: argv, options: { sets: { type: 'string' }, kinds: { type: 'string' }, queries: { type: 'string' } } })
  const lines = [['set', 'index', 'asked for', 'found', 'one search', 'optimize']]
  let missed = 0
  for (const name of values.sets?.split(',') ?? DEFAULT_SETS) {
    const set = loadSet(await prepareSet(name, Number(values.queries ?? 1000)))
    for (const kind of values.kinds?.split(',') ?? Object.keys(KINDS)) {
      const one = await measured(set, kind)
      lines.push(...one.rows)
      missed += one.missed
    }
  }
  console.log(`\n${table(lines)}\n\n${missed === 0 ? 'met' : `${missed} missed`}: every recall@${K} at least what was asked for less ${SLACK}`)
  return missed === 0 ? 0 : 1
}
