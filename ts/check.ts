// Small checks that every part of the facade shares. Each names the argument, what was given and what was wanted.
import { badArgument, show } from './errors.ts'

/** A plain object of options, without names that nobody knows. */
export function checkNames(what: string, given: unknown, names: readonly string[]): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw badArgument(`${what} must be an object, not ${show(given)}`)
  }
  // not Object.keys: this is on the way of every search, and makes no list
  for (const name in given) {
    if (names.includes(name) || !Object.hasOwn(given, name)) continue
    throw badArgument(`${what} has no ${show(name)}; it takes ${names.join(', ')}`)
  }
}

/** An integer of `least` to `most`, or `undefined`. */
export function checkInteger(what: string, given: unknown, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
  if (given === undefined) return undefined
  if (Number.isInteger(given) && (given as number) >= least && (given as number) <= most) return given as number
  const wanted = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `of ${least} to ${most}`
  throw badArgument(`${what} must be an integer ${wanted}, not ${show(given)}`)
}

/** One of `names`, or `undefined`. */
export function checkOneOf<T extends string>(what: string, given: unknown, names: readonly T[]): T | undefined {
  if (given === undefined || names.includes(given as T)) return given as T | undefined
  throw badArgument(`${what} must be ${names.map((name) => `'${name}'`).join(' or ')}, not ${show(given)}`)
}

export function checkBoolean(what: string, given: unknown): boolean | undefined {
  if (given === undefined || typeof given === 'boolean') return given
  throw badArgument(`${what} must be true or false, not ${show(given)}`)
}

/** Text that UTF-8 can hold and give back: no half of a surrogate pair, which would turn two ids into one. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

/** `items[3].id` from the name `items[].id` and the row 3. */
export function at(name: string, row: number | undefined): string {
  return row === undefined ? name : name.replace('[]', `[${row}]`)
}
