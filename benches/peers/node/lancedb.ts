import { K } from '../sets.ts'
import type { Effort, Settings } from '../engines.ts'
import { type Adapter, atOnce, packages, type Rows, scratch } from './adapter.ts'

/** Rows of one Arrow table. */
const AT_ONCE = 100_000

/** IVF with product quantization, refined by the rows on disk: its engine for sets of this size. */
export class LanceDb implements Adapter {
  #table: ReturnType<typeof packages.load> // no types: the package is not installed where this is checked
  #distance = 'cosine'
  #effort: Effort = {}
  readonly #settings: Settings
  readonly #lancedb = packages.load('@lancedb/lancedb')
  readonly #arrow = packages.load('apache-arrow')

  constructor(settings: Settings) {
    this.#settings = settings
  }

  /** Rows `from` ... `to` as an Arrow table over the numbers as they lie. */
  #arrowTable({ base, dimensions }: Rows, from: number, to: number): unknown {
    const { Field, FixedSizeList, Float32, makeData, makeVector, Table } = this.#arrow
    const child = makeData({ type: new Float32(), length: (to - from) * dimensions, data: base.slice(from * dimensions, to * dimensions) })
    const type = new FixedSizeList(dimensions, new Field('item', new Float32(), true))
    const vector = makeVector(makeData({ type, length: to - from, nullCount: 0, child }))
    return new Table({ id: makeVector(Int32Array.from({ length: to - from }, (_, n) => from + n)), vector })
  }

  async build(rows: Rows): Promise<void> {
    const count = rows.base.length / rows.dimensions
    this.#distance = rows.metric
    const database = await this.#lancedb.connect(scratch('lancedb'))
    this.#table = await database.createTable('t', this.#arrowTable(rows, 0, Math.min(AT_ONCE, count)))
    for (let from = AT_ONCE; from < count; from += AT_ONCE) await this.#table.add(this.#arrowTable(rows, from, Math.min(from + AT_ONCE, count)))
    const config = this.#lancedb.Index.ivfPq({
      distanceType: this.#distance, numPartitions: Math.round(Math.sqrt(count)), numSubVectors: rows.dimensions / (this.#settings.width as number),
    })
    await this.#table.createIndex('vector', { config })
  }

  async setEffort(effort: Effort): Promise<void> {
    this.#effort = effort
  }

  prepare(query: Float32Array): unknown {
    return query
  }

  search(query: unknown): unknown {
    const { probes, refine } = this.#effort
    return this.#table.search(query).distanceType(this.#distance).limit(K).select(['id', '_distance']).nprobes(probes).refineFactor(refine).toArrow()
  }

  rows(answer: unknown): number[] {
    return Array.from((answer as { getChild(name: string): { toArray(): Int32Array } }).getChild('id').toArray())
  }

  async batch(queries: unknown[], _: Float32Array, threads: number): Promise<(query: number) => number[]> {
    const answers = await atOnce(queries, threads, (query) => this.search(query))
    return (query) => this.rows(answers[query])
  }

  note(): string {
    return `@lancedb/lancedb ${packages.version('@lancedb/lancedb')}, rows on disk`
  }
}
