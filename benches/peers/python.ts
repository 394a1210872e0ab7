// An engine of the Python world in a process of its own, asked as a Worker of Node is: a JSON object a line, both ways.
import { type ChildProcess, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { dataDir } from '../../scripts/lib/run.mjs'
import type { Engine } from './engines.ts'
import type { Question, Told } from './protocol.ts'
import type { Venv } from './venv.ts'

const PROGRAM = path.join(path.dirname(fileURLToPath(import.meta.url)), 'python', 'worker.py')

export class PythonWorker {
  readonly #child: ChildProcess
  readonly #scratch: string
  readonly #log: string

  constructor(venv: Venv, name: string, engine: Engine, folder: string, threads: number) {
    const peers = path.join(dataDir, 'peers')
    this.#scratch = fs.mkdtempSync(path.join(peers, 'scratch-'))
    this.#log = path.join(peers, `${name.replaceAll(/\W/g, '-')}.log`)
    const log = fs.openSync(this.#log, 'w')
    this.#child = spawn(venv.python, [PROGRAM, engine.adapter, JSON.stringify(engine.settings), folder, this.#scratch, String(threads)], {
      stdio: ['pipe', 'pipe', log],
      env: { ...process.env, OMP_NUM_THREADS: String(os.availableParallelism()), PYTHONDONTWRITEBYTECODE: '1' },
    })
    fs.closeSync(log)
    this.#child.stdin?.on('error', () => undefined) // it died: `next` says so
  }

  /** What it says next; an error where it dies instead. */
  next(): Promise<Told> {
    return new Promise((resolve, reject) => {
      const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })
      let said = false
      lines.once('line', (line) => {
        said = true
        lines.close()
        const told = JSON.parse(line) as Told
        if ('failed' in told) reject(new Error(told.failed))
        else resolve(told)
      })
      lines.once('close', () => {
        if (!said) reject(new Error(`the process ended; see ${path.relative(process.cwd(), this.#log)}`))
      })
    })
  }

  ask(question: Question): Promise<Told> {
    const answer = this.next()
    this.#child.stdin?.write(`${JSON.stringify(question)}\n`)
    return answer
  }

  end(): void {
    this.#child.once('exit', () => fs.rmSync(this.#scratch, { recursive: true, force: true }))
    this.#child.stdin?.end()
  }
}
