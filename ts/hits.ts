// Results: from the addon's columns to the objects that callers get.
import type { NativeTable } from '#native'
import { BigrainError, badArgument, show } from './errors.ts'
import { unpackIds } from './ids.ts'
import type { Hit, Id, Item, Matches, Metadata } from './types.ts'

/** A list of text ids, taken in order. */
export interface Texts {
  list: readonly string[]
  next: number
}

/** Where every id is a number. */
export const NO_TEXTS: Texts = { list: [], next: 0 }

/** Plain hits, packed as pairs of id and distance; an id that is NaN is the next text. */
export function readHits(words: Float64Array, start: number, count: number, texts: Texts): Hit[] {
  const hits = new Array<Hit>(count)
  for (let i = 0, at = start; i < count; i++, at += 2) {
    const number = words[at] as number
    // As a small integer where it is one: that takes no memory of its own.
    const small = number | 0
    const id = small === number ? small : Number.isNaN(number) ? (texts.list[texts.next++] as string) : number
    hits[i] = { id, distance: words[at + 1] as number }
  }
  return hits
}

/** The hits of many queries, over the columns that the addon handed over. */
export class MatchTable implements Matches {
  readonly count: number
  readonly #table: NativeTable
  readonly #dimensions: number
  readonly #starts: Uint32Array
  /** All ids, where some are texts. */
  readonly #ids: Id[] | undefined

  constructor(table: NativeTable, dimensions: number) {
    this.count = table.counts.length
    this.#table = table
    this.#dimensions = dimensions
    this.#starts = new Uint32Array(this.count + 1)
    for (let i = 0, sum = 0; i < this.count; i++) this.#starts[i + 1] = sum += table.counts[i] as number
    this.#ids = table.texts.length > 0 ? unpackIds(table.numbers, table.texts) : undefined
  }

  ids(query: number): Id[] {
    const [from, to] = this.#range(query)
    return this.#ids?.slice(from, to) ?? Array.from(this.#table.numbers.subarray(from, to))
  }

  distances(query: number): Float32Array {
    const [from, to] = this.#range(query)
    return Float32Array.from(this.#table.distances.subarray(from, to))
  }

  hits(query: number): Hit[] {
    const [from, to] = this.#range(query)
    const hits: Hit[] = []
    for (let row = from; row < to; row++) {
      const id = (this.#ids?.[row] ?? this.#table.numbers[row]) as Id
      const hit: Hit = { id, distance: this.#table.distances[row] as number }
      addIncluded(hit, this.#table, row, this.#dimensions)
      hits.push(hit)
    }
    return hits
  }

  #range(query: number): [number, number] {
    if (!Number.isInteger(query) || query < 0 || query >= this.count) {
      throw badArgument(`query must be an integer of 0 to ${this.count - 1}, not ${show(query)}`)
    }
    return [this.#starts[query] as number, this.#starts[query + 1] as number]
  }
}

/** What `get` gives: an item for each id that is there. A table's columns hold the found rows alone. */
export function readItems(ids: readonly Id[], table: NativeTable, dimensions: number): (Item | undefined)[] {
  let row = 0
  return ids.map((id, i) => {
    if (!table.counts[i]) return undefined
    const item: Partial<Item> = { id }
    addIncluded(item, table, row++, dimensions)
    return item as Item
  })
}

/** Adds metadata and vector of one row where the table has them. */
function addIncluded(target: Partial<Hit> | Partial<Item>, table: NativeTable, row: number, dimensions: number): void {
  const json = table.metadata?.[row]
  if (typeof json === 'string') target.metadata = parse(json)
  // A copy each: a caller that keeps one vector does not keep them all.
  if (table.vectors) target.vector = table.vectors.slice(row * dimensions, (row + 1) * dimensions)
}

function parse(json: string): Metadata {
  try {
    return JSON.parse(json) as Metadata
  } catch (cause) {
    throw new BigrainError('E_CORRUPT', 'stored metadata is not JSON', { cause })
  }
}
