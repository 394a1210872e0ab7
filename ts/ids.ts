// Ids as the addon takes them: a column of numbers in which NaN stands for the next of a list of texts.
import { at, isWellFormed } from './check.ts'
import { badArgument, show } from './errors.ts'
import type { Id } from './types.ts'

export interface PackedIds {
  numbers: Float64Array
  texts: string[]
}

/** Checks one id. `name` and `row` say in a message whose it is. */
export function checkId(given: unknown, name: string, row?: number): Id {
  if (typeof given === 'number' && Number.isInteger(given) && given >= 0 && given <= Number.MAX_SAFE_INTEGER) return given
  if (typeof given === 'string' && isWellFormed(given)) return given
  const where = at(name, row)
  if (typeof given === 'string') throw badArgument(`${where} is ${show(given)}, which holds half of a surrogate pair`)
  throw badArgument(`${where} must be a string or an integer of 0 to 2^53-1, not ${show(given)}`)
}

/** Checks and packs the ids of a column. Typed arrays hold numbers alone. */
export function packIds(ids: readonly Id[] | Uint32Array | BigUint64Array, name = 'ids[]'): PackedIds {
  if (ids instanceof Uint32Array) return { numbers: Float64Array.from(ids), texts: [] }
  const numbers = new Float64Array(ids.length)
  const texts: string[] = []
  if (ids instanceof BigUint64Array) {
    for (let i = 0; i < ids.length; i++) numbers[i] = bigId(ids[i] as bigint, name, i)
  } else {
    for (let i = 0; i < ids.length; i++) numbers[i] = packId(checkId(ids[i], name, i), texts)
  }
  return { numbers, texts }
}

/** The number that stands for a checked id; a text is put at the end of `texts`. */
export function packId(id: Id, texts: string[]): number {
  if (typeof id === 'number') return id
  texts.push(id)
  return Number.NaN
}

function bigId(id: bigint, name: string, row: number): number {
  if (id <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(id)
  throw badArgument(`${at(name, row)} is ${id}n; a number id is an integer of 0 to 2^53-1`)
}

/** The ids of a packed column. */
export function unpackIds(numbers: Float64Array, texts: readonly string[]): Id[] {
  const ids: Id[] = Array.from(numbers)
  for (let i = 0, next = 0; next < texts.length && i < ids.length; i++) {
    if (Number.isNaN(ids[i])) ids[i] = texts[next++] as string
  }
  return ids
}
