import { availableParallelism } from 'node:os'
import { K } from '../sets.ts'
import type { Effort, Settings } from '../engines.ts'
import { type Adapter, atOnce, packages, type Rows, scratch } from './adapter.ts'

/** Documents of one insert: what the engine takes at most is 1,024. */
const AT_ONCE = 1000

interface Document {
  id: string
}

interface Collection {
  insertSync(documents: object[]): { ok: boolean; message: string }[]
  optimizeSync(options: { concurrency: number }): void
  querySync(query: object): Document[]
  query(query: object): Promise<Document[]>
}

export class Zvec implements Adapter {
  #collection: Collection | undefined
  #params: object = {}
  readonly #settings: Settings
  readonly #zvec

  constructor(settings: Settings) {
    this.#settings = settings
    this.#zvec = packages.load('@zvec/zvec')
    this.#zvec.ZVecInitialize({ logLevel: 3, queryThreads: availableParallelism(), optimizeThreads: availableParallelism() })
  }

  async build({ base, dimensions, metric }: Rows, threads: number): Promise<void> {
    const { ZVecCollectionSchema, ZVecCreateAndOpen, ZVecDataType, ZVecIndexType, ZVecMetricType, ZVecQuantizeType } = this.#zvec
    const { m, efConstruction, quantize } = this.#settings
    const indexParams = {
      indexType: ZVecIndexType.HNSW, metricType: metric === 'l2' ? ZVecMetricType.L2 : ZVecMetricType.COSINE,
      m, efConstruction, quantizeType: ZVecQuantizeType[quantize as string], useContiguousMemory: true,
    }
    const vectors = { name: 'v', dataType: ZVecDataType.VECTOR_FP32, dimension: dimensions, indexParams }
    const collection: Collection = ZVecCreateAndOpen(scratch('zvec'), new ZVecCollectionSchema({ name: 'peers', vectors }))
    const rows = base.length / dimensions
    for (let from = 0; from < rows; from += AT_ONCE) {
      const documents = Array.from({ length: Math.min(AT_ONCE, rows - from) }, (_, n) => {
        const row = from + n
        return { id: String(row), vectors: { v: base.subarray(row * dimensions, (row + 1) * dimensions) } }
      })
      const failed = collection.insertSync(documents).find((status) => !status.ok)
      if (failed) throw new Error(failed.message)
    }
    collection.optimizeSync({ concurrency: threads })
    this.#collection = collection
  }

  async setEffort({ ef }: Effort): Promise<void> {
    this.#params = { indexType: this.#zvec.ZVecIndexType.HNSW, ef, isUsingRefiner: this.#settings.quantize !== 'UNDEFINED' }
  }

  prepare(vector: Float32Array): unknown {
    return vector
  }

  #query(vector: unknown): object {
    return { fieldName: 'v', vector, topk: K, params: this.#params, outputFields: [] }
  }

  search(query: unknown): unknown {
    return this.#collection?.querySync(this.#query(query))
  }

  rows(answer: unknown): number[] {
    return (answer as Document[]).map(({ id }) => Number(id))
  }

  async batch(queries: unknown[], _: Float32Array, threads: number): Promise<(query: number) => number[]> {
    const answers = await atOnce(queries, threads, (query) => this.#collection?.query(this.#query(query)))
    return (query) => this.rows(answers[query])
  }

  note(): string {
    return `@zvec/zvec ${packages.version('@zvec/zvec')}`
  }
}
