// Row `syscalls`: real system calls that fail under a real Node process, and real disks that are full.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { complaint, inWords, startWriter } from './child.mjs'
import { Ledger } from './ledger.mjs'
import { evidence } from './evidence.mjs'
import { mix, seeded } from './random.mjs'
import { limitLength, mayMount, mountSmall } from './smalldisk.mjs'
import { callsIn, countsOf, drawFault, isRead, missing, retriedSync, shuffledFaults, traced } from './strace.mjs'
import { progressOf, Tally } from './tally.mjs'
import { CONFIGS } from './workload.mjs'

/** Traced, everything is slow: not those that write much, nor the one that links rows by reading them. */
const LIGHT = CONFIGS.filter(({ name, heavy }) => !heavy && name !== 'disk')
/** Kinds of data files, which strace has to be told. */
const KINDS = ['log', 'rows', 'ids', 'metadata', 'dead', 'codec', 'codes', 'graph']
/** Cases that one directory goes through. */
const CASES = 6
const OPERATIONS = 40
/** Bytes of log between two checkpoints: some in the background, or none but those of flush and close. */
const LOGS = [4096, 1 << 15, undefined]
/** One case in so many is a full disk. */
const FULL = 8

/** One directory and the processes that met faults on it. `found(kind, what)` is told what is wrong. */
class Trial {
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

/** What the workload asks of the system when nothing fails, on a directory of its own: made, and opened again. */
async function survey(folder, life) {
  const directory = path.join(folder, 'survey')
  const log = path.join(folder, 'survey.log')
  const calls = []
  for (const generation of [0, 1]) {
    const plan = { directory, life, generation, limit: OPERATIONS, logBytes: LOGS[1], end: 'close' }
    const run = await startWriter(plan, { wrap: (command) => traced(command, { directory, kinds: KINDS, log }) }).ended
    if (run.acks.size !== OPERATIONS) throw new Error(`the workload failed with nothing in the way: ${inWords(run.failed ?? complaint(run) ?? { message: run.errors })}`)
    for (const call of callsIn(log)) calls.push(call)
  }
  const foreign = calls.map(({ file }) => /\/([a-z]+)-\d+\.grain$/.exec(file)?.[1]).find((kind) => kind && !KINDS.includes(kind))
  if (foreign) throw new Error(`${foreign} is a kind of file that the row does not know`)
  return countsOf(calls)
}

/** One process with one fault, and what is there afterwards. Gives what the process did about it; nothing where the call was not made. */
async function faultCase(trial, folder, generation, random, fault, note) {
  const log = path.join(folder, 'calls.log')
  const plan = { generation, limit: OPERATIONS, logBytes: random.pick(LOGS), tolerant: true, end: random.pick(['close', 'close', 'exit']) }
  const wrap = (command) => traced(command, { directory: trial.directory, kinds: KINDS, log, fault })
  note(`${fault.call}:${fault.how}:when=${fault.when}`)
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

/**
 * @param {{ count: number, seed: number, only?: number }} options only: one group of cases of those that the seed gives
 * @returns {Promise<number>} the exit code
 */
export async function syscalls({ count, seed, only }) {
  const tally = new Tally('syscalls', seed)
  const progress = progressOf('syscalls', count)
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bigrain-syscalls-'))
  const why = missing()
  const mounts = mayMount(work)
  const full = process.platform === 'win32' ? 0 : Math.ceil(count / FULL)
  let [faults, idle, disks] = [0, 0, 0]
  const outcomes = new Map()
  const faultOrder = shuffledFaults(seeded(seed))

  const command = (number) => `npm run reliability -- syscalls --count ${count} --seed ${seed} --only ${number}`
  const trialOf = (folder, number, config, said) => {
    const life = { seed: mix(seed, number), config }
    const found = (kind, what) => tally.found(kind, `${config.name}, ${said.now}: ${what}\n  files: ${evidence(folder, `syscalls-${seed}-${number}`)}`, command(number))
    return new Trial(path.join(folder, 'index'), life, found)
  }

  async function faultGroup(number, cases) {
    const folder = path.join(work, String(number))
    fs.mkdirSync(folder)
    const random = seeded(seed, number)
    const said = { now: '' }
    const trial = trialOf(folder, number, LIGHT[number % LIGHT.length], said)
    const counts = await survey(folder, trial.ledger.life)
    const before = tally.failed // a directory that something was found in has nothing more to tell
    for (let done = 0, generation = 0; done < cases && tally.failed === before; generation++) {
      const fault = drawFault(random, faultOrder, number * CASES + generation, counts)
      const did = await faultCase(trial, folder, generation, random, fault, (text) => { said.now = text })
      if (did) {
        done++
        outcomes.set(did, (outcomes.get(did) ?? 0) + 1)
        progress(++faults + disks)
      } else if (++idle > 2 * count) throw new Error('faults are drawn for calls that are not made')
    }
    fs.rmSync(folder, { recursive: true, force: true })
  }

  async function fullGroup(number) {
    const folder = path.join(work, String(number))
    const random = seeded(seed, number)
    const bytes = random.between(2 << 20, 6 << 20)
    const disk = mounts && number % 4 !== 0 ? mountSmall(folder, bytes) : undefined
    fs.mkdirSync(folder, { recursive: true })
    const place = disk ?? limitLength(random.between(4 << 10, 1 << 20))
    const trial = trialOf(folder, number, long(LIGHT[number % LIGHT.length]), { now: disk ? `a disk of ${bytes} bytes` : 'files of limited length' })
    try {
      await fullCase(trial, place, random)
      progress(++disks + faults)
    } finally {
      place.close()
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }

  const groups = []
  if (!why) for (let left = count - full; left > 0; left -= CASES) groups.push((number) => faultGroup(number, Math.min(left, CASES)))
  for (let left = full; left > 0; left--) groups.push(fullGroup)
  try {
    for (const [number, group] of groups.entries()) if (only === undefined || only === number) await group(number)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
  const did = Array.from(outcomes, ([outcome, cases]) => `${cases} ${outcome}`).toSorted().join(', ')
  const remark = why ? `${why}: ${disks} full disks alone` : `${faults} failing calls: ${did}; ${disks} full disks`
  return tally.close(faults + disks, `cases (${remark})`)
}
