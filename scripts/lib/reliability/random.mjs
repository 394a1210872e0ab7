// Seeded choices for the reliability rows: the same numbers give the same plan on every machine.
import { randomIntegers } from '../data.mjs'

/** Mixes numbers into one seed, so that neighbouring seeds, generations and operations have nothing in common. */
export function mix(...numbers) {
  let hash = 0x9e3779b9
  for (const number of numbers) {
    hash = Math.imul(hash ^ (number >>> 0), 0x85ebca6b)
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0xc2b2ae35)
    hash ^= hash >>> 13
  }
  return hash >>> 0
}

/** Choices that follow from `numbers` alone. */
export function seeded(...numbers) {
  const next = randomIntegers(mix(...numbers))
  const unit = () => next() / 2 ** 32
  const below = (limit) => Math.floor(unit() * limit)
  return {
    unit,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (part) => unit() < part,
    pick: (list) => list[below(list.length)],
  }
}
