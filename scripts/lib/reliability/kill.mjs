// Row `kill`: SIGKILL for a real Node process in the middle of writing, again and again over one directory, so that recovery is
// killed too. Every process begins by saying what it found, and that is held against what the one before had acknowledged.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { complaint, inWords, startWriter } from './child.mjs'
import { evidence } from './evidence.mjs'
import { Ledger } from './ledger.mjs'
import { mix, seeded } from './random.mjs'
import { progressOf, Tally } from './tally.mjs'
import { CONFIGS } from './workload.mjs'

/** Kills that one directory goes through. */
const KILLS = 12
const LANES = 2
/** More than a process gets done before it is killed. */
const ENDLESS = 100_000

/** Bytes of log between two checkpoints, of which a process gets one: some make a checkpoint all the time. */
const LOGS = [4096, 1 << 15, 1 << 18, undefined]
const HEAVY_LOGS = [8 << 20, undefined]

/** When to kill: a moment, and milliseconds after it; and what the process is to do until then. */
function planKill(random, { heavy }) {
  const logBytes = random.pick(heavy ? HEAVY_LOGS : LOGS)
  const moments = ['spawn', 'opening', 'acks', 'closing', ...(heavy ? [] : ['acks', 'time', 'flush']), ...(logBytes ? ['checkpoint', 'checkpoint'] : [])]
  const moment = random.pick(moments)
  const plan = { moment, logBytes, limit: moment === 'closing' ? random.between(1, 60) : ENDLESS }
  if (moment === 'spawn') return { ...plan, delay: random.unit() * 150 }
  if (moment === 'opening') return { ...plan, delay: random.unit() * (heavy ? 250 : 5) }
  if (moment === 'checkpoint') return { ...plan, delay: random.unit() * (heavy ? 60 : 4) }
  if (moment === 'time') return { ...plan, delay: random.unit() * 120 }
  if (moment === 'acks') return { ...plan, delay: random.unit(), acks: random.between(1, random.pick(heavy ? [30, 90] : [4, 40, 400])) }
  return { ...plan, delay: random.unit() * (random.chance(0.5) ? 1 : 8) }
}

/** Runs `kill` so many milliseconds from now. The timer is too coarse for a few of them, so those are waited for busily. */
function after(delay, kill) {
  if (delay > 3) return void setTimeout(kill, delay)
  const until = performance.now() + delay
  while (performance.now() < until);
  kill()
}

/** Starts a writer and kills it as planned. Gives what it said. */
async function killed(directory, plan, { moment, delay, acks }) {
  let due = true
  const at = (now) => {
    if (now !== moment || !due) return
    due = false
    run.fired = moment
    after(delay, () => run.kill())
  }
  const run = startWriter(plan, {
    onMessage: ({ type }, { acks: done }) => {
      if (type === 'opening' || type === 'flush' || type === 'closing') at(type)
      if (type === 'told') at('time')
      if (type === 'ack' && done.size === acks) at('acks')
      if (moment === 'checkpoint' && type === 'told') watch()
    },
  })
  let watcher
  // what a checkpoint writes has other names than the log
  const watch = () => { watcher = fs.watch(directory, (_, name) => { if (name && !name.startsWith('log-')) at('checkpoint') }) }
  at('spawn')
  await run.ended
  watcher?.close()
  return run
}

/** What a process was at when it was killed. A flush may have been over, and other calls went on beside it. */
function stageOf({ said, told, fired }) {
  const has = (type) => said.some((one) => one.type === type)
  if (!told.opened) return has('opening') ? 'opening' : 'starting'
  if (has('closing')) return 'closing'
  return { checkpoint: 'checkpointing', flush: 'flushing' }[fired] ?? 'writing'
}

/** One directory and the processes that wrote to it. */
class Life {
  #directory
  #folder
  #ledger
  #report

  constructor(folder, number, seed, report) {
    this.#folder = folder
    this.#directory = path.join(folder, 'index')
    this.#ledger = new Ledger({ seed: mix(seed, number), config: CONFIGS[number % CONFIGS.length] })
    this.#report = report
  }

  /** Kills writers until there were `count`; then one may end in peace. Stops where something is found. */
  async through(count, onKill) {
    const { seed, config } = this.#ledger.life
    const random = seeded(seed, 77)
    for (let [generation, kills] = [0, 0]; kills < count; generation++) {
      const when = planKill(random, config)
      const run = await this.#run({ generation, limit: when.limit, logBytes: when.logBytes }, when)
      if (run.signal === 'SIGKILL' && run.killed) {
        kills++
        onKill(stageOf(run), run.acks.size)
      }
      if (!this.#check(run, `process ${generation}, to be killed at ${when.moment}`)) return
      this.#ledger.wrote(run, generation, when.limit)
    }
    const run = await this.#run({ limit: 0, copy: path.join(this.#folder, 'copy') }, { moment: 'never' })
    if (!this.#check(run, 'the last process')) return
    this.#hold(run.told.copy, 'a snapshot')
    this.#hold(run.told.again, 'closed and opened again')
  }

  async #run(plan, when) {
    this.#keep()
    return await killed(this.#directory, { directory: this.#directory, life: this.#ledger.life, end: 'close', ...plan }, when)
  }

  /** Links to the files as a process left them, before the next one opens them: the evidence, should it find something. No file is changed in place. */
  #keep() {
    const before = path.join(this.#folder, 'before')
    fs.rmSync(before, { recursive: true, force: true })
    fs.mkdirSync(before, { recursive: true })
    if (!fs.existsSync(this.#directory)) return
    for (const name of fs.readdirSync(this.#directory)) fs.linkSync(path.join(this.#directory, name), path.join(before, name))
  }

  #found(kind, what, who) {
    this.#report(kind, `${this.#ledger.life.config.name}, ${who}: ${what}`, path.join(this.#folder, 'before'))
    return false
  }

  /** Holds how a process ended, and what it found, against what is allowed. */
  #check(run, who) {
    const [bad, opened] = [run.failed ?? complaint(run), run.said.some(({ type }) => type === 'open')]
    if (run.hung) return this.#found('hangs', `no word for a minute; the last was ${JSON.stringify(run.said.at(-1))}`, who)
    if (run.signal !== 'SIGKILL' && run.code !== 0) return this.#found('panics', `ended by itself with ${run.signal ?? run.code}: ${run.errors}`, who)
    if (bad) return this.#found(bad.code === 'E_INTERNAL' ? 'panics' : opened ? 'wrong' : 'unopenable', inWords(bad), who)
    return run.told.opened ? this.#hold(run.told.opened, who) : true
  }

  #hold(told, who) {
    const findings = this.#ledger.hold(told)
    for (const { kind, what } of findings) this.#found(kind, what, who)
    return findings.length === 0
  }
}

/**
 * @param {{ count: number, seed: number, only?: number }} options only: one directory of those that the seed gives
 * @returns {Promise<number>} the exit code
 */
export async function kill({ count, seed, only }) {
  const tally = new Tally('kill', seed)
  const progress = progressOf('kill', count)
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bigrain-kill-'))
  const lives = Array.from({ length: Math.ceil(count / KILLS) }, (_, number) => ({ number, kills: Math.min(KILLS, count - number * KILLS) }))
  const left = only === undefined ? lives : lives.filter(({ number }) => number === only)
  const stages = { starting: 0, opening: 0, writing: 0, flushing: 0, checkpointing: 0, closing: 0 }
  let [done, acknowledged] = [0, 0]
  const lane = async () => {
    for (let next = left.shift(); next; next = left.shift()) {
      const { number, kills } = next
      const folder = path.join(work, String(number))
      fs.mkdirSync(folder)
      const report = (kind, what, files) => tally.found(kind, `${what}\n  files: ${evidence(files, `kill-${seed}-${number}`)}`, `npm run reliability -- kill --count ${count} --seed ${seed} --only ${number}`)
      await new Life(folder, number, seed, report).through(kills, (stage, acks) => {
        stages[stage]++
        acknowledged += acks
        progress(++done)
      })
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
  try {
    await Promise.all(Array.from({ length: LANES }, lane))
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
  const where = Object.entries(stages).map(([stage, kills]) => `${kills} ${stage}`).join(', ')
  return tally.close(done, `kills (${where}; ${acknowledged.toLocaleString('en-US')} acknowledged calls)`)
}
