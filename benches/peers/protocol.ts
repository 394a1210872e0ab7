// What the main program and an engine's process say to each other, the same in both worlds.
import type { Effort } from './engines.ts'

/** All queries, or the first so many, once: one after the other on one thread, or as one batch on more. */
export interface Question {
  effort: Effort
  threads: number
  queries: number
}

/** Seconds by the clock, and of processor time on all threads of the process. */
export interface Spent {
  seconds: number
  cpuSeconds: number
}

export interface Built extends Spent {
  /** bytes that the process holds more than when it had only loaded the library and the queries */
  memory: number
  note: string
}

/** The rows found, a query each. */
export type Answers = number[][]

/** `measured` is null where the engine has no such call. A failure is `{ failed: reason }`. */
export type Told = { built: Built } | { measured: (Spent & { answers: Answers }) | null } | { failed: string }
