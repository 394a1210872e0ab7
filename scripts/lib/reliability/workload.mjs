// What a directory is put through: operation n of a generation follows from the seed, so that the parent knows what the child
// wrote without being told, and each stored row says which operation it came from.
import { mix, seeded } from './random.mjs'

/** What indexes are opened with. */
const SYNC = { durability: 'sync' }
const OS = { durability: 'os' }
const pq = { type: 'pq', bytes: 8 }
const MEMORY = { dimensions: 16, metric: 'l2', ...SYNC }
const DISK_SQ8 = { dimensions: 24, metric: 'cosine', coarse: 'hnsw', codes: 'sq8', vectors: 'disk', ...SYNC }
const GRAPH = { dimensions: 16, metric: 'dot', coarse: 'hnsw', codes: 'none', ...OS }
const HEAVY = { dimensions: 1536, metric: 'l2', coarse: 'flat', codes: 'none', ...OS }
const ALONE = { dimensions: 8, metric: 'l2', ...OS }
const DISK = { dimensions: 32, metric: 'cosine', coarse: 'hnsw', codes: 'none', vectors: 'disk', ...SYNC }
const HEAVY_DISK = { dimensions: 1536, metric: 'cosine', coarse: 'flat', codes: 'sq8', vectors: 'disk', ...SYNC }
const DISK_PQ = { dimensions: 16, metric: 'l2', coarse: 'hnsw', codes: pq, vectors: 'disk', ...SYNC }

/**
 * Kinds of indexes and callers. `space`: how many ids there are; `rows`: in a batch at most; `callers`: writes under way at
 * once; `ids`: mixed has both kinds, 1 beside '1'. A heavy one fills the 64 MiB of log that a background checkpoint waits for.
 */
export const CONFIGS = [
  { name: 'memory', open: MEMORY, ids: 'number', metadata: false, space: 600, rows: 60, callers: 8 },
  { name: 'disk-sq8', open: DISK_SQ8, ids: 'text', metadata: true, space: 900, rows: 80, callers: 4 },
  { name: 'graph', open: GRAPH, ids: 'mixed', metadata: true, space: 800, rows: 100, callers: 16 },
  { name: 'heavy', open: HEAVY, ids: 'number', metadata: false, space: 1200, rows: 400, callers: 3, heavy: true },
  { name: 'alone', open: ALONE, ids: 'number', metadata: true, space: 300, rows: 40, callers: 1 },
  { name: 'disk', open: DISK, ids: 'text', metadata: true, space: 500, rows: 60, callers: 1 },
  { name: 'heavy-disk', open: HEAVY_DISK, ids: 'mixed', metadata: true, space: 1200, rows: 400, callers: 3, heavy: true },
  { name: 'disk-pq', open: DISK_PQ, ids: 'mixed', metadata: false, space: 6000, rows: 700, callers: 8 },
]

/** Values that rows are cut from. A row of its own random numbers would cost more than writing it. */
const NOISE = (() => {
  const random = seeded(20_261_122)
  return Float32Array.from({ length: 1 << 16 }, () => random.unit() * 2 - 1)
})()

/** The row of an item: where it came from, then noise. */
function rowOf(life, generation, n, i) {
  const { dimensions } = life.config.open
  const at = mix(life.seed, generation, n, i) % (NOISE.length - dimensions)
  const row = NOISE.slice(at, at + dimensions)
  row[0] = generation + 1 // never a row of zeros, which cosine refuses
  row[1] = n
  row[2] = i
  return row
}

/** Which item a row says that it is. */
export const originOf = (row) => ({ generation: row[0] - 1, n: row[1], i: row[2] })

function idOf(config, key) {
  if (config.ids === 'number') return key
  if (config.ids === 'text') return `item ${key} ${'ä€😀'.slice(0, key % 3)}`
  return key % 2 ? key >> 1 : String(key >> 1)
}

function metadataOf(random, generation, n, i) {
  if (random.chance(0.3)) return undefined
  const text = 'a text "with" marks, ümläuts and 😀 '.repeat(random.below(random.chance(0.02) ? 200 : 6))
  return { generation, n, i, text, list: [null, true, -1.5e-7, { deep: [n] }] }
}

function items(life, random, generation, n, count) {
  const { config } = life
  return Array.from({ length: count }, (_, i) => {
    const id = idOf(config, random.below(config.space))
    const metadata = config.metadata ? metadataOf(random, generation, n, i) : undefined
    return { id, vector: rowOf(life, generation, n, i), ...(metadata && { metadata }) }
  })
}

/**
 * Operation `n` of a generation. `form` is how items are handed to `add`.
 * @returns {{ kind: 'add', form: string, items: object[] } | { kind: 'delete', ids: (string | number)[] } | { kind: 'flush' | 'optimize' }}
 */
export function operation(life, generation, n) {
  const { config } = life
  const random = seeded(life.seed, generation, n)
  const choice = random.unit()
  const add = (form, count) => ({ kind: 'add', form, items: items(life, random, generation, n, count) })
  if (choice < 0.02) return { kind: 'flush' }
  if (choice < 0.025) return { kind: 'optimize' }
  if (choice < 0.17) return { kind: 'delete', ids: Array.from({ length: random.between(1, 1 + (config.rows >> 2)) }, () => idOf(config, random.below(config.space))) }
  if (choice < (config.heavy ? 0.25 : 0.6)) return add('array', 1)
  return add(random.pick(['array', 'columns', 'iterable']), random.between(2, config.rows))
}

/** What `operation` makes of a map from ids to where their rows came from. Gives how many ids a delete found. */
export function apply(state, operation, generation, n) {
  if (operation.kind === 'delete') return operation.ids.reduce((found, id) => found + (state.delete(id) ? 1 : 0), 0)
  if (operation.kind === 'add') operation.items.forEach(({ id }, i) => state.set(id, { generation, n, i }))
  return 0
}

/** The ids that an operation names. */
export const idsOf = (operation) => operation.ids ?? operation.items?.map((item) => item.id) ?? []

function* each(list) {
  yield* list
}

/** The items of an operation as `add` takes them. */
export function handed({ form, items }) {
  if (form === 'array') return items
  if (form === 'iterable') return each(items)
  const dimensions = items[0].vector.length
  const vectors = new Float32Array(items.length * dimensions)
  items.forEach(({ vector }, i) => vectors.set(vector, i * dimensions))
  return { ids: items.map((item) => item.id), vectors, metadata: items.map((item) => item.metadata) }
}
