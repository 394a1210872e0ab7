// The parent's side of a writer: what it said, and how it ended.
import { spawn } from 'node:child_process'
import path from 'node:path'
import { receive } from './frames.mjs'
import { root } from '../run.mjs'

const WRITER = path.join(root, 'scripts', 'lib', 'reliability', 'writer.mjs')

/** A writer that says nothing for so long hangs. */
const PATIENCE = 60_000

const running = new Set()
process.once('exit', () => running.forEach(end))

/** Kills a child with what it started: under a tracer the writer is a grandchild. */
function end(child) {
  if (process.platform === 'win32') return child.kill('SIGKILL')
  try {
    return process.kill(-child.pid, 'SIGKILL')
  } catch {
    return false // it has ended
  }
}

/**
 * Starts a writer on `plan`. `wrap` gives the command line that runs it, from Node's own.
 * `onMessage(message, child)` is called for each message.
 */
export function startWriter(plan, { wrap = (command) => command, onMessage = () => {}, patience = PATIENCE } = {}) {
  const [command, ...args] = wrap([process.execPath, WRITER, JSON.stringify(plan)])
  const started = performance.now()
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' })
  const run = { acks: new Map(), rejected: [], told: {}, said: [], failed: undefined, killed: false, hung: false }
  const items = {}
  running.add(child)
  let timer
  const wait = () => {
    clearTimeout(timer)
    timer = setTimeout(() => { run.hung = true; end(child) }, patience)
  }
  wait()
  receive(child.stdio[3], (message) => {
    wait()
    const { type, where } = message
    if (type === 'ack') run.acks.set(message.n, message.count)
    else if (type === 'rejected') run.rejected.push(message)
    else if (type === 'items') (items[where] ??= []).push(...message.items)
    else if (type === 'told') run.told[where] = { ...message, items: new Map((items[where] ?? []).map((item) => [item.id, item])) }
    else if (type === 'failed') run.failed = message
    else run.said.push({ ...message, at: performance.now() - started })
    onMessage(message, run)
  })
  let errors = ''
  child.stderr.on('data', (chunk) => { errors = (errors + chunk).slice(-4000) })
  run.kill = () => { run.killed = end(child) || run.killed }
  run.ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      running.delete(child)
      resolve(Object.assign(run, { code, signal, errors, ms: performance.now() - started }))
    })
  })
  return run
}

/** Operations that were acknowledged, and that may have been started: a caller starts its next one after it said how the last ended. */
export function reached(run, life, limit) {
  const acked = Math.max(-1, ...run.acks.keys()) + 1
  const told = run.acks.size + run.rejected.length
  return { acked, issued: run.told.opened ? Math.max(acked, Math.min(limit, told + life.config.callers)) : 0, counts: run.acks }
}

/** What a writer that met no fault must not have said: a call rejected, closing failed, `verify` found something. */
export const complaint = ({ rejected, said }) => rejected[0] ?? said.find(({ type }) => type === 'unclosed' || type === 'unsound')

/** A complaint, for people. */
export const inWords = ({ type, kind, where, code, message, stack }) => [kind ?? type, where, code, message, stack].filter(Boolean).join(' ')
