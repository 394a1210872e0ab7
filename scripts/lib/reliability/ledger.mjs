// What is known of one directory from one process to the next: what it held, and what the last process wrote after that.
import { reached } from './child.mjs'
import { judge } from './judge.mjs'

/** No process wrote since the directory was last looked into. */
const NOTHING = { generation: -1, acked: 0, issued: 0 }

export class Ledger {
  /** By id, where the row came from. */
  #base = new Map()
  /** Of each generation, how many operations may be seen: those that were found once, and no later ones. */
  #issued = new Map()
  #last = NOTHING

  /** @param {{ seed: number, config: object }} life */
  constructor(life) {
    this.life = life
  }

  /** Notes what a process wrote, if it came to that. What it found when it opened the index has been held against this ledger. */
  wrote(run, generation, limit) {
    if (run.told.opened && limit > 0) this.#last = { generation, ...reached(run, this.life, limit) }
  }

  /**
   * What is wrong with what a process was told that an index holds, if anything. From then on that is what it holds.
   * @returns {{ kind: string, what: string }[]}
   */
  hold(told) {
    const { state, prefix, findings } = judge(this.life, this.#base, this.#last, told.items, this.#issued)
    this.#base = state
    this.#issued.set(this.#last.generation, prefix)
    this.#last = NOTHING
    return told.checked ? [...findings, { kind: 'wrong', what: told.checked }] : findings
  }

  /** The same of a process that looks at its own index after its writes: it sees those acknowledged, and not one more. */
  holdOwn(told) {
    const own = { ...this.#last, issued: this.#last.acked }
    const { findings } = judge(this.life, this.#base, own, told.items, this.#issued)
    return told.checked ? [...findings, { kind: 'wrong', what: told.checked }] : findings
  }
}
