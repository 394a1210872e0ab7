// Nearest words: 341,479 GloVe vectors in a bi-granular index (PQ codes and a graph in memory, the vectors on disk).
// `npm start` runs this; with words as arguments it answers those, without it prints a comparison with an exact scan.
import fs from 'node:fs'
import path from 'node:path'
import { BigrainError, Index, type Hit, type Stats } from 'bigrain'
import { glove, holdOut, take } from '../scripts/lib/data.mjs'
import { progressBar } from '../scripts/lib/progress.mjs'
import { dataDir, main } from '../scripts/lib/run.mjs'
import { percentile, table, whole } from '../scripts/lib/table.mjs'

const HELD_OUT = 1_000
const SEED = 7
const K = 10
/** How hard a query looks: candidates the graph search keeps, and of those how many are verified on disk. */
const EFFORT = { ef: 256, rerank: 128 }
const OPTIONS = { dimensions: 100, metric: 'cosine', coarse: 'hnsw', codes: { type: 'pq', bytes: 50 }, vectors: 'disk', seed: SEED } as const

interface Words {
  /** the words in the index, and their vectors row by row */
  words: string[]
  vectors: Float32Array
  /** words that are not in the index: the queries of the comparison */
  heldOut: string[]
  queries: Float32Array
}

async function loadWords(): Promise<Words> {
  const { words, vectors, dimensions } = await glove()
  const { held, rest } = holdOut(words.length, HELD_OUT, SEED)
  const named = (rows: Uint32Array) => Array.from(rows, (row) => words[row] as string)
  return { words: named(rest), vectors: take(vectors, dimensions, rest), heldOut: named(held), queries: take(vectors, dimensions, held) }
}

/** Builds beside the final place and renames at the end: a folder with the final name is a finished index. */
async function build(folder: string, data: Words): Promise<void> {
  const unfinished = `${folder}.unfinished`
  fs.rmSync(folder, { recursive: true, force: true })
  fs.rmSync(unfinished, { recursive: true, force: true })
  const bar = progressBar('Building the index')
  const index = await Index.open(unfinished, OPTIONS)
  await index.add({ ids: data.words, vectors: data.vectors }, { onProgress: bar.report })
  await index.optimize({ onProgress: bar.report })
  await index.close()
  bar.end()
  fs.writeFileSync(path.join(dataDir, 'words.json'), JSON.stringify(buildKey()))
  fs.renameSync(unfinished, folder)
}

/** What the saved index depends on; another build of the library may make another index of the same words. */
const buildKey = () => ({ options: OPTIONS, heldOut: HELD_OUT, build: process.env['BIGRAIN_BUILD'] ?? null })

/** Opens the index that is there. Undefined: there is none, or it is stale, damaged or not complete, and must be built. */
async function openExisting(folder: string, data: Words): Promise<Index | undefined> {
  const key = path.join(dataDir, 'words.json')
  if (!fs.existsSync(folder) || !fs.existsSync(key) || fs.readFileSync(key, 'utf8') !== JSON.stringify(buildKey())) return undefined
  try {
    const index = await Index.open(folder, { readOnly: true })
    if (index.size === data.words.length && index.stats().unlinked === 0) return index
    await index.close()
  } catch (error) {
    if (!(error instanceof BigrainError) || error.code === 'E_LOCKED') throw error
    console.log(`The saved index cannot be used (${error.code}: ${error.message}), so it is built again.`)
  }
  return undefined
}

async function openOrBuild(data: Words): Promise<Index> {
  const folder = path.join(dataDir, 'words')
  const existing = await openExisting(folder, data)
  if (existing) return existing
  await build(folder, data)
  return Index.open(folder, { readOnly: true })
}

/** The nearest other words of each given word. */
async function answer(index: Index, data: Words, words: readonly string[]): Promise<void> {
  for (const word of words) {
    const held = data.heldOut.indexOf(word)
    const [item] = held < 0 ? await index.get([word], { include: ['vector'] }) : []
    const vector = held < 0 ? item?.vector : data.queries.subarray(held * OPTIONS.dimensions, (held + 1) * OPTIONS.dimensions)
    if (!vector) {
      console.log(`${word}: not among the ${whole(data.words.length + HELD_OUT)} words`)
      continue
    }
    const hits = (await index.search(vector, { k: K + 1, ...EFFORT })).filter((hit) => hit.id !== word).slice(0, K)
    console.log(`${word}: ${hits.map((hit) => `${hit.id} ${(1 - hit.distance).toFixed(3)}`).join(', ')}`)
  }
}

interface Measured {
  hits: Hit[][]
  /** milliseconds a query */
  times: number[]
}

/** Every held-out word once, one at a time on one thread. The first queries are run twice so that caches are as warm as in use. */
function measure(index: Index, queries: Float32Array, effort: object): Measured {
  const query = (n: number) => queries.subarray(n * OPTIONS.dimensions, (n + 1) * OPTIONS.dimensions)
  for (let n = 0; n < 50; n++) index.searchSync(query(n), { k: K, ...effort })
  const result: Measured = { hits: [], times: [] }
  for (let n = 0; n < HELD_OUT; n++) {
    const started = performance.now()
    const hits = index.searchSync(query(n), { k: K, ...effort })
    result.times.push(performance.now() - started)
    result.hits.push(hits)
  }
  return result
}

/** The part of the true nearest that were found. */
function recall(found: Hit[][], truth: Hit[][]): number {
  let right = 0
  found.forEach((hits, n) => {
    const wanted = new Set(truth[n]?.map((hit) => hit.id))
    right += hits.filter((hit) => wanted.has(hit.id)).length
  })
  return right / (truth.length * K)
}

/** The exact scan (an index in memory without codes or graph) beside the built index. */
async function compare(index: Index, data: Words): Promise<void> {
  const exact = new Index({ dimensions: OPTIONS.dimensions, metric: OPTIONS.metric, coarse: 'flat', codes: 'none' })
  await exact.add({ ids: data.words, vectors: data.vectors })
  const truth = measure(exact, data.queries, {})
  const found = measure(index, data.queries, EFFORT)
  const columns = [{ ...exact.stats(), ...truth }, { ...index.stats(), ...found }]
  const row = (name: string, text: (column: Stats & Measured) => string) => [name, ...columns.map(text)]
  const bytes = (total: number) => (total / data.words.length).toFixed(1)
  console.log(`\n${whole(HELD_OUT)} held-out words against ${whole(data.words.length)} words of ${OPTIONS.dimensions} dimensions, one thread, k = ${K}, ef = ${EFFORT.ef}, rerank = ${EFFORT.rerank}\n`)
  console.log(table([
    ['', 'exact scan', 'index'],
    row('recall@10', ({ hits }) => recall(hits, truth.hits).toFixed(4)),
    row('time a query, median', ({ times }) => `${percentile(times, 0.5).toFixed(3)} ms`),
    row('time a query, 99th percentile', ({ times }) => `${percentile(times, 0.99).toFixed(3)} ms`),
    row('bytes a vector in memory: vectors', ({ memory }) => bytes(memory.vectors)),
    row('  codes', ({ memory }) => bytes(memory.codes)),
    row('  graph', ({ memory }) => bytes(memory.graph)),
    row('  ids, beside these', ({ memory }) => bytes(memory.ids)),
    row('bytes a vector on disk', ({ disk }) => bytes(disk.total)),
  ]))
  await exact.close()
}

main(async () => {
  const wanted = process.argv.slice(2)
  const data = await loadWords()
  const index = await openOrBuild(data)
  await answer(index, data, wanted.length > 0 ? wanted.map((word) => word.toLowerCase()) : ['paris', 'piano', 'galaxy', 'breakfast', 'algorithm'])
  if (wanted.length === 0) await compare(index, data)
  await index.close()
})
