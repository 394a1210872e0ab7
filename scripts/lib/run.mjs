// Child processes for the project's scripts: run, capture, npm. Nothing here needs an installed package.
import { spawn, spawnSync } from 'node:child_process'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository's root folder. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')

/** Where downloads, data sets and indexes of the scripts live; git ignores it. */
export const dataDir = path.join(root, '.data')

/** Something the person at the keyboard can put right: printed without a stack. */
export class Explained extends Error {}

/**
 * Runs a program in the repository's root.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, cwd?: string, echo?: boolean, keep?: boolean }} [options]
 *   echo: show what it prints as it prints it (default true); keep: also return it (default false)
 * @returns {Promise<{ code: number, output: string }>} the exit code (128 + signal number where a signal ended it) and what was kept
 */
export function run(command, args, options = {}) {
  const { env, cwd = root, echo = true, keep = false } = options
  return new Promise((resolve, reject) => {
    const piped = keep || !echo
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['inherit', piped ? 'pipe' : 'inherit', piped ? 'pipe' : 'inherit'],
    })
    const chunks = []
    child.stdout?.on('data', (chunk) => { chunks.push(chunk); if (echo) process.stdout.write(chunk) })
    child.stderr?.on('data', (chunk) => { chunks.push(chunk); if (echo) process.stderr.write(chunk) })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve({ code: code ?? (signal ? 129 : 1), output: Buffer.concat(chunks).toString('utf8') })
    })
  })
}

/** `run`, and an error where the program fails; what it printed is in the error if it was not shown. */
export async function must(command, args, options = {}) {
  const result = await run(command, args, { keep: options.echo === false, ...options })
  if (result.code !== 0) {
    throw new Explained(`${path.basename(command)} ${args.join(' ')} ended with ${result.code}\n${options.echo === false ? result.output : ''}`)
  }
  return result
}

/** Runs npm. Inside `npm run` the same npm is used again; elsewhere the one on the PATH (a .cmd on Windows, which needs a shell). */
export function npm(args, options = {}) {
  const own = process.env.npm_execpath
  if (own?.endsWith('.js')) return must(process.execPath, [own, ...args], options)
  if (process.platform === 'win32') return must(process.env.ComSpec ?? 'cmd.exe', ['/d', '/s', '/c', 'npm', ...args], options)
  return must('npm', args, options)
}

/** A program of an installed development dependency, run by this Node: no shell, no .cmd files. */
export const bin = (relative) => path.join(root, 'node_modules', ...relative.split('/'))

/** True where `command --version` can be started. */
export const exists = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0

/** Runs a script's main function: an `Explained` error is printed alone, any other with its stack. */
export function main(work) {
  work().then(
    (code) => { process.exitCode = code ?? 0 },
    (error) => {
      console.error(error instanceof Explained ? `\n${error.message.trimEnd()}` : error)
      process.exitCode = 1
    },
  )
}
