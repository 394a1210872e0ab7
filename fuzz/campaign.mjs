// node fuzz/campaign.mjs [--seconds N] [TARGET ...]: every target of libFuzzer for its share of the time, from valid inputs on.
// A target that finds something is started again until its time is over; findings are files in fuzz/artifacts.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
/** Shares of the time, and the longest input in bytes. What has more states gets more. */
const TARGETS = {
  wire: [4, 2048], name: [1, 64], manifest: [2, 1024], blob: [3, 8192], extent: [3, 12_288], log: [8, 4096], directory: [8, 12_288],
  codec: [12, 12_288], graph: [14, 8192], lists: [8, 8192], ids: [2, 2048], metadata: [2, 2048], dead: [1, 1024], efforts: [1, 1024], change: [3, 2048], index: [16, 8192], options: [3, 256],
}
const LIMITS = ['-timeout=25', '-rss_limit_mb=3072', '-malloc_limit_mb=512', '-print_final_stats=1', '-reload=0']

const { values, positionals } = parseArgs({ options: { seconds: { type: 'string', default: '7200' } }, allowPositionals: true })
const chosen = positionals.length > 0 ? positionals : Object.keys(TARGETS)
const shares = chosen.reduce((sum, name) => sum + TARGETS[name][0], 0)

function cargo(args, env = {}) {
  return spawnSync('cargo', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'inherit', 'pipe'], env: { ...process.env, ...env }, maxBuffer: 2 ** 30 })
}

function must(args) {
  const { status, stderr } = cargo(args)
  if (status !== 0) throw new Error(`cargo ${args.join(' ')} ended with ${status}\n${stderr}`)
}

/** Runs a target for so many seconds; gives executions and findings. */
function fuzz(name, seconds) {
  const end = Date.now() + 1000 * seconds
  let [executions, findings] = [0, 0]
  for (let left = seconds; left >= 5; left = Math.floor((end - Date.now()) / 1000)) {
    const args = ['+nightly', 'fuzz', 'run', name, '--', `-max_total_time=${left}`, `-max_len=${TARGETS[name][1]}`, ...LIMITS]
    const { status, stderr } = cargo(args, { RAYON_NUM_THREADS: '1' })
    const units = /stat::number_of_executed_units:\s*(\d+)/.exec(stderr)?.[1] ?? [...stderr.matchAll(/^#(\d+)\s/gm)].at(-1)?.[1]
    executions += Number(units ?? 0)
    if (status !== 0) {
      findings += 1
      console.error(stderr.split('\n').slice(-60).join('\n'))
    }
  }
  return { executions, findings }
}

fs.mkdirSync(path.join(root, 'fuzz', 'corpus'), { recursive: true })
must(['run', '--quiet', '--profile', 'sim', '--package', 'sim', '--', 'fuzz', '--corpus', 'fuzz/corpus'])
must(['+nightly', 'fuzz', 'build'])
const started = performance.now()
const total = { executions: 0, findings: 0 }
for (const name of chosen) {
  const seconds = Math.floor((Number(values.seconds) * TARGETS[name][0]) / shares)
  const { executions, findings } = fuzz(name, seconds)
  console.error(`${name}: ${executions.toLocaleString('en')} executions in ${seconds} s, ${findings} findings`)
  total.executions += executions
  total.findings += findings
}
const seconds = ((performance.now() - started) / 1000).toFixed(0)
console.log(`fuzz (coverage-guided): ${total.executions.toLocaleString('en')} executions of ${chosen.length} targets, ${total.findings} findings (${seconds} s)`)
process.exitCode = total.findings > 0 ? 1 : 0
