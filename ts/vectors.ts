// Vectors of every kind that callers hold, as the 32-bit floats that the addon takes.
import { at } from './check.ts'
import { BigrainError, badArgument, show } from './errors.ts'
import type { Vector } from './types.ts'

export function isVector(given: unknown): given is Vector {
  return given instanceof Float32Array || given instanceof Float64Array || Array.isArray(given)
}

/** One vector as `Float32Array`: the given one itself where it is one, and then its values are looked at only if `thorough`. */
export function toVector(given: unknown, dimensions: number, name: string, thorough: boolean): Float32Array {
  checkVector(given, dimensions, name)
  // What another thread can write to is copied first, so that what is checked is what is used.
  const own = given instanceof Float32Array && !isShared(given)
  const vector = own ? given : Float32Array.from(given)
  if (thorough || !own) checkValues(vector, given, name)
  return vector
}

/** Writes one vector into row `row` of `out`, a block of rows. `position` says in a message which of the caller's it is. */
export function copyVector(
  given: unknown,
  dimensions: number,
  out: Float32Array,
  row: number,
  name: string,
  position = row,
): void {
  checkVector(given, dimensions, name, position)
  const start = row * dimensions
  out.set(given, start)
  checkValues(out.subarray(start, start + dimensions), given, name, position)
}

/** A `Float32Array` that is not shared with another thread: the given one, or a copy. Its values are not looked at. */
export function ownBlock(given: Float32Array): Float32Array {
  return isShared(given) ? Float32Array.from(given) : given
}

/** Room for `rows` vectors. */
export function newBlock(rows: number, dimensions: number): Float32Array {
  try {
    return new Float32Array(rows * dimensions)
  } catch (cause) {
    throw badArgument(`${rows} vectors of ${dimensions} dimensions are too many for one batch; add them in parts`, cause)
  }
}

function checkVector(given: unknown, dimensions: number, name: string, row?: number): asserts given is ArrayLike<number> {
  if (!isVector(given)) {
    throw badArgument(`${at(name, row)} must be a Float32Array, Float64Array or array of numbers, not ${show(given)}`)
  }
  if (given.length !== dimensions) {
    throw new BigrainError('E_DIMENSIONS', `${at(name, row)} has ${given.length} dimensions; the index has ${dimensions}`)
  }
  if (!Array.isArray(given)) return
  for (let i = 0; i < given.length; i++) {
    if (typeof given[i] !== 'number') throw badArgument(`${at(name, row)}[${i}] must be a number, not ${show(given[i])}`)
  }
}

/** `values` is `given` rounded to 32 bits. */
function checkValues(values: Float32Array, given: ArrayLike<number>, name: string, row?: number): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue
    const problem = Number.isFinite(given[i]) ? `${given[i]}, which does not fit a 32-bit float` : `${given[i]}`
    throw new BigrainError('E_NOT_FINITE', `${at(name, row)}[${i}] is ${problem}; every value must be a finite number`)
  }
}

function isShared(given: Float32Array): boolean {
  return typeof SharedArrayBuffer !== 'undefined' && given.buffer instanceof SharedArrayBuffer
}
