// A batch of items as the columns that the addon takes.
import { checkNames } from './check.ts'
import { BigrainError, badArgument, notYet, show } from './errors.ts'
import { checkId, packId, packIds } from './ids.ts'
import type { Columns } from './types.ts'
import { copyVector, newBlock, ownBlock } from './vectors.ts'

/** Ids as numbers (NaN: the next text), one row of values each, and metadata as JSON where an item has some. */
export interface Batch {
  numbers: Float64Array
  texts: string[]
  vectors: Float32Array
  metadata: (string | undefined)[] | undefined
}

/** Collects items until it is full; may be emptied and filled again. */
export class BatchBuilder {
  rows = 0
  readonly capacity: number
  readonly #dimensions: number
  readonly #numbers: Float64Array
  readonly #vectors: Float32Array
  #texts: string[] = []
  #metadata: (string | undefined)[] | undefined

  constructor(capacity: number, dimensions: number) {
    this.capacity = capacity
    this.#dimensions = dimensions
    this.#numbers = new Float64Array(capacity)
    this.#vectors = newBlock(capacity, dimensions)
  }

  /** Checks and copies one item; `position` says in a message which of the caller's it is. */
  push(item: unknown, position: number): void {
    if (typeof item !== 'object' || item === null) {
      throw badArgument(`items[${position}] must be an object with id and vector, not ${show(item)}`)
    }
    const { id, vector, metadata, sparse, text } = item as Record<string, unknown>
    if (sparse !== undefined) throw notYet(`items[${position}].sparse`)
    if (text !== undefined) throw notYet(`items[${position}].text`)
    const checked = checkId(id, 'items[].id', position)
    copyVector(vector, this.#dimensions, this.#vectors, this.rows, 'items[].vector', position)
    if (metadata !== undefined) {
      this.#metadata ??= new Array<undefined>(this.rows).fill(undefined)
    }
    this.#metadata?.push(packMetadata(metadata, () => `items[${position}].metadata`))
    this.#numbers[this.rows++] = packId(checked, this.#texts)
  }

  /** What was collected. A view: valid until the next `push` or `clear`. */
  batch(): Batch {
    return {
      numbers: this.#numbers.subarray(0, this.rows),
      texts: this.#texts,
      vectors: this.#vectors.subarray(0, this.rows * this.#dimensions),
      metadata: this.#metadata,
    }
  }

  clear(): void {
    this.rows = 0
    this.#texts = []
    this.#metadata = undefined
  }
}

/** A batch of all of `items`. */
export function packItems(items: readonly unknown[], dimensions: number): Batch {
  const builder = new BatchBuilder(items.length, dimensions)
  for (let i = 0; i < items.length; i++) builder.push(items[i], i)
  return builder.batch()
}

/** The values of `columns.vectors` are checked by the engine, off this thread. */
export function packColumns(columns: Columns, dimensions: number): Batch {
  checkNames('items', columns, ['ids', 'vectors', 'metadata'])
  const { ids, vectors, metadata } = columns
  if (!Array.isArray(ids) && !(ids instanceof Uint32Array) && !(ids instanceof BigUint64Array)) {
    throw badArgument(`items.ids must be an array, a Uint32Array or a BigUint64Array, not ${show(ids)}`)
  }
  if (!(vectors instanceof Float32Array)) {
    throw badArgument(`items.vectors must be a Float32Array, not ${show(vectors)}`)
  }
  if (vectors.length !== ids.length * dimensions) {
    const wanted = `${ids.length} ids of ${dimensions} dimensions want ${ids.length * dimensions}`
    throw new BigrainError('E_DIMENSIONS', `items.vectors has ${vectors.length} values; ${wanted}`)
  }
  if (metadata !== undefined && (!Array.isArray(metadata) || metadata.length !== ids.length)) {
    throw badArgument(`items.metadata must be an array of ${ids.length}, one for each id, not ${show(metadata)}`)
  }
  return {
    ...packIds(ids, 'items.ids[]'),
    vectors: ownBlock(vectors),
    metadata: metadata && Array.from(metadata, (entry, i) => packMetadata(entry, () => `items.metadata[${i}]`)),
  }
}

function packMetadata(given: unknown, name: () => string): string | undefined {
  if (given === undefined) return undefined
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw badArgument(`${name()} must be an object, not ${show(given)}`)
  }
  let json: unknown
  try {
    json = JSON.stringify(given)
  } catch (cause) {
    throw badArgument(`${name()} cannot be written as JSON`, cause)
  }
  if (typeof json === 'string' && json.startsWith('{')) return json
  throw badArgument(`${name()} must be an object when written as JSON, not ${show(json)}`)
}
