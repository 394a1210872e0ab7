// A directory under processes that meet faults: how each of them may end, and what the next one must find.
import { complaint, inWords, startWriter } from './child.mjs'
import { Ledger } from './ledger.mjs'

/** One directory and the processes that met faults on it. `found(kind, what)` is told what is wrong. */
export class Trial {
  constructor(directory, life, found) {
    this.directory = directory
    this.ledger = new Ledger(life)
    this.found = found
  }

  writer(plan, wrap) {
    return startWriter({ directory: this.directory, life: this.ledger.life, ...plan }, { wrap }).ended
  }

  #hold(told) {
    for (const { kind, what } of told ? this.ledger.hold(told) : []) this.found(kind, what)
  }

  #found(kind, what) {
    this.found(kind, what)
    return false
  }

  /**
   * How a process that met a fault may end: alive, with coded errors, reading what it had acknowledged, and writing nothing any
   * more. False where it is not worth looking further.
   */
  met(run, { generation, limit }, { reads = false, killed = false } = {}) {
    if (run.hung) return this.#found('hangs', `no word for a minute; the last was ${JSON.stringify(run.said.at(-1))}`)
    if (!killed && (run.code !== 0 || run.signal)) return this.#found('panics', `ended with ${run.signal ?? run.code}: ${run.errors}`)
    const refused = [...run.rejected, ...run.said.filter(({ type }) => type === 'unclosed'), ...(run.failed ? [run.failed] : [])]
    const other = refused.find(({ code }) => code !== 'E_IO' && code !== 'E_POISONED')
    if (other) return this.#found(other.code === 'E_INTERNAL' ? 'panics' : 'wrong', `an error of another kind: ${inWords(other)}`)
    if (run.failed && run.told.opened && !reads) return this.#found('wrong', `a read failed: ${inWords(run.failed)}`)
    this.#hold(run.told.opened)
    const late = reads ? undefined : this.#late(run)
    if (late !== undefined) this.found('wrong', `operation ${late} was acknowledged after a write had been rejected`)
    this.ledger.wrote(run, generation, limit)
    // nothing that was rejected is seen by the process itself; a later one may find it
    const own = run.told.written ? this.ledger.holdOwn(run.told.written) : []
    for (const { kind, what } of own) this.found(kind, `in the process itself, after its writes: ${what}`)
    return true
  }

  /** An operation that was acknowledged, though it began after a write had been rejected. To optimize needs no disk. */
  #late({ acks, rejected, said }) {
    const first = Math.min(...rejected.filter(({ kind }) => kind !== 'optimize').map(({ next }) => next))
    return [...acks.keys()].find((n) => n >= first && !said.some((one) => one.type === 'optimize' && one.n === n))
  }

  /** Opens the index with nothing in the way: everything acknowledged must be there. */
  async recover(plan) {
    const run = await this.writer(plan)
    const bad = run.failed ?? complaint(run)
    if (run.hung) return this.#found('hangs', 'opening the index afterwards')
    if (run.code !== 0 || run.signal) return this.#found('panics', `opening afterwards ended with ${run.signal ?? run.code}: ${run.errors}`)
    if (bad) return this.#found(run.told.opened ? 'wrong' : 'unopenable', `afterwards, with nothing in the way: ${inWords(bad)}`)
    this.#hold(run.told.opened)
    this.ledger.wrote(run, plan.generation, plan.limit)
    this.#hold(run.told.copy)
    this.#hold(run.told.again)
    return true
  }
}
