// The parts of a test run: each is shown, counted, and remembered for the closing line.
import { stripVTControlCharacters as plain } from 'node:util'
import { run } from './run.mjs'

/** Lines of a failed part that are shown again beside the closing line. */
const LAST = 40

/** Adds up all the first groups of a pattern's matches. */
const sum = (output, pattern) => [...output.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)

/** How `cargo test` counts: one "test result" line a test program. */
export const countCargo = (output) => ({
  passed: sum(plain(output), /^test result: .*? (\d+) passed/gm),
  failed: sum(plain(output), /^test result: .*? (\d+) failed/gm),
})

/** How ava counts: a mark a test that passed (its end does not say how many where one failed), and at the end what failed. A file that fails to load or a stray exception counts too. */
export const countAva = (output) => ({
  passed: [...plain(output).matchAll(/^\s*✔ /gmu)].length,
  failed: sum(plain(output), /^\s*(\d+) (?:tests?|hooks?) failed$/gm) + sum(plain(output), /^\s*(\d+) (?:uncaught exceptions?|unhandled rejections?|test timeouts?)$/gm),
})

/** A check that passes or does not: one test. */
export const countCheck = () => ({ passed: 1, failed: 0 })

/**
 * What a program's exit code and its own count say together. A program that failed without naming a failed test
 * (it did not compile, it crashed) is one failure; one that passed without running a test is one too.
 */
export function verdict(code, counted) {
  if (code !== 0) return { passed: counted.passed, failed: Math.max(1, counted.failed) }
  return counted.passed > 0 || counted.failed > 0 ? counted : { passed: 0, failed: 1 }
}

/** What a part said last: ava and most tools tell there what failed. */
const lastLines = (output) => plain(output).trimEnd().split('\n').slice(-LAST).join('\n')

export class Parts {
  #results = []

  /** Runs one part, showing what it prints. */
  async run(name, command, args, { count = countCheck, env } = {}) {
    console.log(`\n=== ${name}`)
    const started = performance.now()
    const { code, output } = await run(command, args, { keep: true, env }).catch((error) => {
      console.error(error.message)
      return { code: 1, output: '' }
    })
    const result = verdict(code, count === countCheck ? { passed: code === 0 ? 1 : 0, failed: 0 } : count(output))
    this.#results.push({ name, ...result, end: lastLines(output) })
    console.log(`--- ${name}: ${result.passed} passed, ${result.failed} failed (${((performance.now() - started) / 1000).toFixed(0)} s)`)
  }

  /** Says that a part could not be had here. It counts as nothing. */
  skip(name, why) {
    console.log(`\n=== ${name}\nSKIPPED: ${why}`)
    this.#results.push({ name: `${name} (skipped: ${why})`, passed: 0, failed: 0 })
  }

  /** Prints every part and the closing line; true where nothing failed. */
  close() {
    for (const { name, end } of this.#results.filter(({ failed }) => failed > 0)) console.log(`\n=== how ${name} ended\n${end}`)
    const total = (field) => this.#results.reduce((all, part) => all + part[field], 0)
    console.log(`\n${this.#results.map((part) => `${part.failed > 0 ? 'FAIL' : ' ok '} ${part.name}: ${part.passed} passed, ${part.failed} failed`).join('\n')}`)
    console.log(`\n${total('passed')} passed, ${total('failed')} failed`)
    return total('failed') === 0
  }
}
