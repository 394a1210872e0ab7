// What a row found, and the one line that it prints.

/** What a row counts, in the order of its line; rows leave out those that cannot happen to them. */
const KINDS = ['lost', 'holes', 'wrong', 'unopenable', 'panics', 'hangs']

/** Findings that are printed at most. */
const SHOWN = 10

export class Tally {
  #started = performance.now()
  #findings = []
  #row
  #seed
  #kinds

  constructor(row, seed, kinds = KINDS) {
    this.#row = row
    this.#seed = seed
    this.#kinds = kinds
  }

  get failed() {
    return this.#findings.length
  }

  /** Notes a finding, with the command that does it again. */
  found(kind, what, command) {
    this.#findings.push(kind)
    if (this.#findings.length <= SHOWN) console.error(`\n${kind}: ${what}\n  again: ${command}`)
  }

  /** Prints the row's line; its exit code. `things` may carry a remark in parentheses. */
  close(count, things) {
    const zeros = this.#kinds.map((kind) => `${this.#findings.filter((one) => one === kind).length} ${kind}`)
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1)
    console.log(`${this.#row}: ${count.toLocaleString('en-US')} ${things}, ${zeros.join(', ')} (seed ${this.#seed}, ${seconds} s)`)
    return this.failed > 0 ? 1 : 0
  }
}

/** Reports how far a row is, now and then, on stderr. */
export function progressOf(row, total) {
  let told = performance.now()
  return (done) => {
    if (performance.now() - told < 5000) return
    told = performance.now()
    console.error(`${row}: ${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')}`)
  }
}
