// Row `syscalls`: real system calls that fail under a real Node process, and real disks that are full.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { complaint, inWords, startWriter } from './child.mjs'
import { evidence } from './evidence.mjs'
import { mix, seeded } from './random.mjs'
import { limitLength, mayMount, mountSmall } from './smalldisk.mjs'
import { callsIn, countsOf, drawFault, isRead, missing, retriedSync, shuffledFaults, traced } from './strace.mjs'
import { progressOf, Tally } from './tally.mjs'
import { Trial } from './trial.mjs'
import { CONFIGS } from './workload.mjs'

/** Traced, everything is slow: not those that write much, nor the one that links rows by reading them. */
const LIGHT = CONFIGS.filter(({ name, heavy }) => !heavy && name !== 'disk')
/** Kinds of data files, which strace has to be told. */
const KINDS = ['log', 'rows', 'ids', 'metadata', 'dead', 'codec', 'codes', 'graph', 'lists']
/** Cases that one directory goes through. */
const CASES = 6
const OPERATIONS = 40
/** Bytes of log between two checkpoints: some in the background, or none but those of flush and close. */
const LOGS = [4096, 1 << 15, undefined]
/** One case in so many is a full disk. */
const FULL = 8

/** What the workload asks of the system when nothing fails, on a directory of its own: made, and opened again. */
async function survey(folder, life) {
  const directory = path.join(folder, 'survey')
  const log = path.join(folder, 'survey.log')
  const calls = []
  for (const generation of [0, 1]) {
    const plan = { directory, life, generation, limit: OPERATIONS, logBytes: LOGS[1], end: 'close' }
    const run = await startWriter(plan, { wrap: (command) => traced(command, { directory, kinds: KINDS, log }) }).ended
    const bad = run.failed ?? complaint(run) ?? { message: run.errors }
    if (run.acks.size !== OPERATIONS) throw new Error(`the workload failed with nothing in the way: ${inWords(bad)}`)
    for (const call of callsIn(log)) calls.push(call)
  }
  const foreign = calls.map(({ file }) => /\/([a-z]+)-\d+\.grain$/.exec(file)?.[1]).find((kind) => kind && !KINDS.includes(kind))
  if (foreign) throw new Error(`${foreign} is a kind of file that the row does not know`)
  return countsOf(calls)
}

/** One process with one fault, and what is there afterwards. Gives what the process did about it; nothing where the call was not made. */
async function faultCase(trial, folder, generation, random, fault) {
  const log = path.join(folder, 'calls.log')
  const plan = { generation, limit: OPERATIONS, logBytes: random.pick(LOGS), tolerant: true, end: random.pick(['close', 'close', 'exit']) }
  const wrap = (command) => traced(command, { directory: trial.directory, kinds: KINDS, log, fault })
  const run = await trial.writer(plan, wrap)
  const calls = callsIn(log)
  const killed = fault.how === 'signal=KILL' && run.signal === 'SIGKILL'
  const hit = killed || calls.some(({ injected }) => injected)
  const retried = retriedSync(calls)
  if (retried) trial.found('wrong', `a sync that had failed was tried again: ${retried}`)
  if (trial.met(run, plan, { reads: isRead(fault), killed })) await trial.recover({ limit: 0, end: random.pick(['close', 'exit']) })
  if (!hit) return undefined
  if (killed) return 'killed'
  if (run.failed) return 'refused to open or read'
  return run.rejected.length > 0 || run.said.some(({ type }) => type === 'unclosed') ? 'refused to write' : 'went on'
}

/** A disk that fills up, stays full while the index is opened again, and then has room. */
async function fullCase(trial, disk, random) {
  const plan = { generation: 0, limit: 100_000, logBytes: random.pick([1 << 15, 1 << 18, undefined]), tolerant: true, stop: 20, end: random.pick(['close', 'exit']) }
  const run = await trial.writer(plan, disk.wrap)
  if (!trial.met(run, plan)) return
  if (run.rejected.length === 0 && !run.failed) trial.found('wrong', 'the disk never got full')
  const look = { limit: 0, end: 'exit' }
  trial.met(await trial.writer(look, disk.wrap), look)
  disk.free()
  await trial.recover({ generation: 1, limit: OPERATIONS, end: 'close' })
  await trial.recover({ limit: 0, end: 'close', copy: path.join(path.dirname(trial.directory), 'copy') })
}

/** Rows long enough to fill a disk soon. */
const long = (config) => ({ ...config, open: { ...config.open, dimensions: 256 }, space: 400 })

/** The cases of a row, in groups of a directory each. */
class Cases {
  faults = 0
  disks = 0
  #idle = 0
  #outcomes = new Map()
  #order
  #row

  /** @param {{ count: number, seed: number, tally: Tally, work: string, mounts: boolean }} row */
  constructor(row) {
    this.#row = row
    this.#order = shuffledFaults(seeded(row.seed))
    this.progress = progressOf('syscalls', row.count)
  }

  /** What the processes did about their faults. */
  get outcomes() {
    return Array.from(this.#outcomes, ([outcome, cases]) => `${cases} ${outcome}`).toSorted().join(', ')
  }

  /** A directory of group `number`; `now` says what it is about to meet. */
  #trial(folder, number, config, now) {
    const { count, seed, tally } = this.#row
    const command = `npm run reliability -- syscalls --count ${count} --seed ${seed} --only ${number}`
    const found = (kind, what) => tally.found(kind, `${config.name}, ${now()}: ${what}\n  files: ${evidence(folder, `syscalls-${seed}-${number}`)}`, command)
    return new Trial(path.join(folder, 'index'), { seed: mix(seed, number), config }, found)
  }

  /** Processes with a fault each, until `cases` of them have met it. */
  async failing(number, cases) {
    const { count, seed, tally, work } = this.#row
    const folder = path.join(work, String(number))
    fs.mkdirSync(folder)
    const random = seeded(seed, number)
    let now
    const trial = this.#trial(folder, number, LIGHT[number % LIGHT.length], () => now)
    const counts = await survey(folder, trial.ledger.life)
    const before = tally.failed // a directory that something was found in has nothing more to tell
    for (let [done, generation] = [0, 0]; done < cases && tally.failed === before; generation++) {
      const fault = drawFault(random, this.#order, number * CASES + generation, counts)
      now = `${fault.call}:${fault.how}:when=${fault.when}`
      const outcome = await faultCase(trial, folder, generation, random, fault)
      if (!outcome && ++this.#idle > 2 * count) throw new Error('faults are drawn for calls that are not made')
      if (!outcome) continue
      done++
      this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
      this.progress(++this.faults + this.disks)
    }
    fs.rmSync(folder, { recursive: true, force: true })
  }

  /** One small disk, or where none can be had, and in any case now and then, files that may not grow. */
  async full(number) {
    const { seed, work, mounts } = this.#row
    const folder = path.join(work, String(number))
    const random = seeded(seed, number)
    const bytes = random.between(2 << 20, 6 << 20)
    const disk = mounts && number % 4 !== 0 ? mountSmall(folder, bytes) : undefined
    fs.mkdirSync(folder, { recursive: true })
    const place = disk ?? limitLength(random.between(4 << 10, 1 << 20))
    const trial = this.#trial(folder, number, long(LIGHT[number % LIGHT.length]), () => (disk ? `a disk of ${bytes} bytes` : 'files of limited length'))
    try {
      await fullCase(trial, place, random)
      this.progress(++this.disks + this.faults)
    } finally {
      place.close()
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}

/**
 * @param {{ count: number, seed: number, only?: number }} options only: one group of cases of those that the seed gives
 * @returns {Promise<number>} the exit code
 */
export async function syscalls({ count, seed, only }) {
  const tally = new Tally('syscalls', seed)
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bigrain-syscalls-'))
  const cases = new Cases({ count, seed, tally, work, mounts: mayMount(work) })
  const [why, disks] = [missing(), Math.ceil(count / FULL)]
  const groups = []
  if (!why) for (let left = count - disks; left > 0; left -= CASES) groups.push((number) => cases.failing(number, Math.min(left, CASES)))
  for (let left = disks; left > 0; left--) groups.push((number) => cases.full(number))
  try {
    for (const [number, group] of groups.entries()) if (only === undefined || only === number) await group(number)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
  const failing = why ? `no failing calls: ${why}` : `${cases.faults} failing calls: ${cases.outcomes}`
  return tally.close(cases.faults + cases.disks, `cases (${failing}; ${cases.disks} full disks)`)
}
