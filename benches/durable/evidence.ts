// What an engine does before it says that a row is in: seen from outside, by killing its process and by its system calls.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { exists, root } from '../../scripts/lib/run.mjs'
import type { Durability } from './engines.ts'
import { type Synced, syncsOf } from './strace.ts'
import { CALLERS } from './workloads.ts'
import { KILLED_ROWS, WATCHED_ADDS, WATCHED_WAVES } from './witness.ts'

export interface Evidence {
  engine: string
  durability: Durability
  how: string
  /** rows that were acknowledged before SIGKILL, and found afterwards by another process */
  killed: { acknowledged: number; found: number }
  /** undefined where there is no strace */
  watched: Synced | undefined
}

const WITNESS = path.join(path.dirname(fileURLToPath(import.meta.url)), 'witness.ts')

function witness(args: readonly string[], prefix: readonly string[] = []) {
  const command = [...prefix, process.execPath, '--import', '@oxc-node/core/register', WITNESS, ...args]
  return spawnSync(command[0] as string, command.slice(1), { cwd: root, encoding: 'utf8', timeout: 120_000 })
}

function kill(engine: string, durability: Durability, folder: string): Evidence['killed'] {
  fs.mkdirSync(folder, { recursive: true })
  const died = witness(['dies', engine, durability, folder])
  if (died.signal !== 'SIGKILL') throw new Error(`${engine}: it did not get as far as being killed\n${died.stderr}`)
  const counted = witness(['counts', engine, durability, folder])
  const found = counted.status === 0 ? Number(counted.stdout.trim()) : 0
  fs.rmSync(folder, { recursive: true })
  return { acknowledged: KILLED_ROWS, found }
}

/** The calls that make bytes durable, and those that files and marks are seen by. */
const CALLS = 'trace=fsync,fdatasync,syncfs,sync,msync,%file'

function watch(engine: string, durability: Durability, folder: string): Synced | undefined {
  if (process.platform !== 'linux' || !exists('strace')) return undefined
  fs.mkdirSync(folder, { recursive: true })
  const log = `${folder}.strace`
  const watched = witness(['adds', engine, durability, folder], ['strace', '-f', '-y', '-qq', '-e', CALLS, '-e', 'signal=none', '-o', log])
  const lines = fs.existsSync(log) ? fs.readFileSync(log, 'utf8') : ''
  fs.rmSync(log, { force: true })
  fs.rmSync(folder, { recursive: true })
  if (watched.status !== 0) {
    console.log(`  ${engine}: strace could not watch it: ${watched.stderr.trim().split('\n').at(-1)}`)
    return undefined
  }
  return syncsOf(lines, fs.realpathSync(path.dirname(folder)), WATCHED_ADDS, WATCHED_WAVES * CALLERS)
}

export function gather(engine: string, durability: Durability, how: string, folder: string): Evidence {
  return { engine, durability, how, killed: kill(engine, durability, folder), watched: watch(engine, durability, folder) }
}

/** A row of a table: what survives what, and how that is known. */
export function stated({ engine, durability, killed, watched }: Evidence): string[] {
  const kept = killed.found === killed.acknowledged
  const power = watched === undefined ? 'not looked at: no strace here' : watched.adds === watched.durableAdds ? 'yes' : 'no'
  const seen = watched === undefined ? '' : `${watched.durableAdds} of ${watched.adds}`
  const calls = watched === undefined ? '' : Object.entries(watched.calls).map(([name, count]) => `${name} ${count}`).join(', ') || 'none'
  const shared = watched === undefined ? '' : `${watched.callersSyncs} for ${watched.callersAdds}`
  return [engine, durability, `${kept ? 'yes' : 'NO'}: ${killed.found} of ${killed.acknowledged}`, power, seen, calls, shared]
}

export const STATED = ['engine', 'asked for', 'kill -9: rows found', 'power loss', 'adds that waited for a sync', 'sync calls of them', `syncs, ${CALLERS} callers`]
