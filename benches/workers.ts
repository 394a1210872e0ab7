// A program of its own, so that what one engine does to a process is not another's to bear.
import { type ChildProcess, fork, type Serializable } from 'node:child_process'
import { root } from '../scripts/lib/run.mjs'

/** An engine's process, asked one thing at a time. What it tells may be `{ failed }` with the reason. */
export class Worker<Question extends Serializable, Told extends object> {
  readonly #child: ChildProcess

  constructor(file: string, args: readonly string[], flags: readonly string[] = []) {
    this.#child = fork(file, args, { execArgv: [...flags, '--import', '@oxc-node/core/register'], cwd: root })
  }

  /** What it says next; an error where it dies instead. */
  next(): Promise<Told> {
    return new Promise((resolve, reject) => {
      const died = (code: number | null, signal: string | null) => reject(new Error(`the process ended (${signal ?? code})`))
      this.#child.once('exit', died)
      this.#child.once('message', (told: Told) => {
        this.#child.off('exit', died)
        if ('failed' in told) reject(new Error(String(told.failed)))
        else resolve(told)
      })
    })
  }

  ask(question: Question): Promise<Told> {
    const answer = this.next()
    this.#child.send(question)
    return answer
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect()
  }
}
