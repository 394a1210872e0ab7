// Real system calls that fail: strace stands between the addon and the kernel. Only calls on an index's own files are touched.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

/** What the addon asks of the system, with the ways in which that may fail here. Calls that this machine does not have are passed over. */
const FAULTS = {
  fdatasync: ['error=EIO', 'error=ENOSPC', 'signal=KILL'],
  fsync: ['error=EIO', 'error=EDQUOT', 'signal=KILL'],
  // A `retval` is given without the call being made: 0 is the only count of bytes that is true then. Writes that the system
  // really cuts short are those to a full disk.
  pwrite64: ['error=EIO', 'error=ENOSPC', 'error=EINTR', 'retval=0', 'signal=KILL'],
  pread64: ['error=EIO', 'error=EINTR'],
  preadv2: ['error=EIO'],
  openat: ['error=EIO', 'error=EMFILE', 'error=ENOSPC', 'signal=KILL'],
  rename: ['error=EIO', 'error=ENOSPC', 'signal=KILL'],
  renameat: ['error=EIO', 'error=ENOSPC', 'signal=KILL'],
  renameat2: ['error=EIO', 'error=ENOSPC', 'signal=KILL'],
  unlink: ['error=EIO', 'signal=KILL'],
  unlinkat: ['error=EIO', 'signal=KILL'],
  flock: ['error=EIO', 'error=ENOLCK'],
  getdents64: ['error=EIO'],
  ftruncate: ['error=EIO', 'error=ENOSPC', 'signal=KILL'],
  fallocate: ['error=EIO', 'error=ENOSPC', 'signal=KILL'],
}
const READS = ['pread64', 'preadv2']
const SYNCS = ['fsync', 'fdatasync']
/** Reads that a fault is drawn among: opening makes about so many. They are not counted: there may be very many later. */
const READ_CALLS = 60

/** The beginning of strace's command line. Its filter makes calls that are not traced fast, but in some versions it keeps signals from being sent. */
const command = (filter) => ['strace', '-f', '-qq', ...(filter ? ['--seccomp-bpf'] : [])]
const attempt = (filter) => spawnSync('strace', [...command(filter).slice(1), '-e', 'trace=none', '-o', '/dev/null', 'true'], { encoding: 'utf8' })
const filtered = attempt(true).status === 0
const probe = attempt(filtered)

/** Why strace cannot be used here; nothing where it can. */
export const missing = () => {
  if (probe.error) return 'there is no strace here'
  return probe.status === 0 ? undefined : `strace may not trace here: ${probe.stderr.trim().split('\n')[0]}`
}

/** Numbers of files that a process makes, at most: those beyond are not touched. */
const AHEAD = 200

/** Paths of files that an index has or may get: strace wants them one by one, and also those that are not there yet. */
function paths(directory, kinds) {
  const names = fs.existsSync(directory) ? fs.readdirSync(directory) : []
  const numbers = names.flatMap((name) => /-(\d+)/.exec(name)?.[1] ?? []).map(Number)
  const from = numbers.length > 0 ? Math.min(...numbers) : 0
  const to = Math.max(0, ...numbers) + AHEAD
  const all = [directory, path.join(directory, 'LOCK')]
  for (let n = from; n <= to; n++) {
    all.push(path.join(directory, `manifest-${n}`), path.join(directory, `manifest-${n}.tmp`))
    for (const kind of kinds) all.push(path.join(directory, `${kind}-${n}.grain`))
  }
  return all.flatMap((one) => ['-P', one])
}

/** The command line that runs `program` traced, or with one fault: { call, how, when }. */
export function traced(program, { directory, kinds, log, fault }) {
  const inject = fault ? ['-e', `inject=${fault.call}:${fault.how}:when=${fault.when}`] : []
  const calls = fault ? new Set([...SYNCS, fault.call]) : Object.keys(FAULTS).filter((call) => !READS.includes(call))
  const names = [...calls].map((call) => `?${call}`).join(',') // ?: not every processor has all of them
  const filter = filtered && !fault?.how.startsWith('signal')
  return [...command(filter), '-y', '-o', log, ...paths(directory, kinds), '-e', `trace=${names}`, ...inject, ...program]
}

/** The calls in a trace: thread, name, file, and the line. */
export function callsIn(log) {
  const lines = fs.readFileSync(log, 'utf8').split('\n')
  return lines.flatMap((line) => {
    const [, thread, call, rest] = /^(\d+)\s+(\w+)\((.*)$/.exec(line) ?? []
    if (!call || !(call in FAULTS)) return []
    const file = /^\d+<([^>]*)>/.exec(rest)?.[1] ?? /"([^"]*)"/.exec(rest)?.[1] ?? ''
    return [{ thread, call, file, line, injected: line.includes('(INJECTED)') }]
  })
}

/** How often one thread made each call, at most. strace counts each thread's calls by themselves. */
export function countsOf(calls) {
  const threads = new Map()
  for (const { thread, call } of calls) threads.set(`${call} ${thread}`, (threads.get(`${call} ${thread}`) ?? 0) + 1)
  const counts = new Map(READS.map((call) => [call, READ_CALLS]))
  for (const [key, count] of threads) counts.set(key.split(' ')[0], Math.max(count, counts.get(key.split(' ')[0]) ?? 0))
  return counts
}

/** Every call with every way to fail, shuffled: taken one after another, all kinds have their turn. */
export function shuffledFaults(random) {
  const all = Object.entries(FAULTS).flatMap(([call, ways]) => ways.map((how) => ({ call, how })))
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const one = all[i]
    all[i] = all[j]
    all[j] = one
  }
  return all
}

/** The fault whose turn it is, of those that the counted calls can have, at one of those calls. */
export function drawFault(random, faults, turn, counts) {
  const possible = faults.filter(({ call }) => counts.has(call))
  const { call, how } = possible[turn % possible.length]
  return { call, how, when: random.between(1, counts.get(call)) }
}

/** Whether a fault concerns reading alone. */
export const isRead = (fault) => READS.includes(fault.call)

/** A file that was synced again after that had failed. What the system had not written is lost then, though the second sync says all is well. */
export function retriedSync(calls) {
  const failed = new Set()
  for (const { call, file, injected, line } of calls) {
    if (!SYNCS.includes(call)) continue
    if (failed.has(file)) return line
    if (injected && !line.includes('EINTR')) failed.add(file)
  }
  return undefined
}
