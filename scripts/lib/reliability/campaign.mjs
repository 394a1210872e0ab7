// A campaign: every row at its large size, in pieces. Each finished piece is a line in a file, so that a campaign that was stopped
// goes on with those still missing. A piece that found something is done again: what it found should be gone.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { dataDir, root, run } from '../run.mjs'
import { table, whole } from '../table.mjs'
import { ROWS, SEED } from './rows.mjs'

const FILE = path.join(dataDir, 'reliability', 'campaign.jsonl')

function commit() {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return 'unknown'
  }
}

/** The part of `total` that piece `part` of `parts` does. */
const share = (total, part, parts) => Math.floor((total * (part + 1)) / parts) - Math.floor((total * part) / parts)

/** The pieces of all rows: the same list every time. */
export function piecesOf(rows, seed = SEED) {
  return rows.flatMap(({ name, campaign, parts }) => Array.from({ length: parts }, (_, part) => {
    const { count, ...others } = campaign
    const options = { ...others, ...(count !== undefined && { count: share(count, part, parts) }), seed: seed + part }
    const written = Object.entries(options).map(([option, value]) => `--${option} ${value}`)
    return { row: name, part: part + 1, parts, options, command: `npm run reliability -- ${name} ${written.join(' ')}` }
  }))
}

/** Lines of an earlier campaign. One that was cut off by a crash of the machine counts as missing. */
export function readPieces(file = FILE) {
  if (!fs.existsSync(file)) return []
  return fs.readFileSync(file, 'utf8').split('\n').flatMap((line) => {
    try {
      return line ? [JSON.parse(line)] : []
    } catch {
      return []
    }
  })
}

/** The pieces that no line says are done. */
export const missingPieces = (pieces, done) => pieces.filter(({ command }) => !done.some((one) => one.command === command && one.code === 0))

/** Totals a row. */
function summary(done) {
  const lines = ROWS.map(({ name, parts }) => {
    const last = new Map(done.filter(({ row }) => row === name).map((one) => [one.command, one]))
    const sum = (of) => [...last.values()].reduce((all, one) => all + of(one), 0)
    const count = sum(({ line }) => Number(/: ([\d,]+) /.exec(line)?.[1].replaceAll(',', '') ?? 0))
    return [name, `${last.size} of ${parts}`, whole(count), whole(sum(({ ms }) => ms / 1000)), String(sum(({ code }) => (code === 0 ? 0 : 1)))]
  })
  return table([['row', 'pieces', 'count', 'seconds', 'with findings'], ...lines])
}

/**
 * Runs what is missing, or of `only` one row. `fresh` forgets what was done before.
 * @returns {Promise<number>} 1 where a piece found something
 */
export async function campaign({ fresh = false, only, seed } = {}) {
  fs.mkdirSync(path.dirname(FILE), { recursive: true })
  if (fresh && fs.existsSync(FILE)) fs.renameSync(FILE, FILE.replace('.jsonl', `-${new Date().toISOString().replaceAll(':', '.')}.jsonl`))
  const missing = missingPieces(piecesOf(ROWS, seed), readPieces()).filter(({ row }) => only === undefined || row === only)
  let failed = 0
  for (const { command, row, part, parts, options } of missing) {
    console.log(`\n${command} (part ${part} of ${parts})`)
    const started = performance.now()
    const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
    const { code, output } = await run(process.execPath, ['scripts/reliability.mjs', row, ...given], { keep: true })
    const line = output.split('\n').findLast((text) => text.startsWith(row.split('-guided')[0])) ?? ''
    const ms = Math.round(performance.now() - started)
    // a line of its own also after one that was cut off
    fs.appendFileSync(FILE, `\n${JSON.stringify({ command, row, part, parts, code, ms, line, at: new Date().toISOString(), commit: commit() })}\n`)
    if (code !== 0) failed++
  }
  console.log(`\n${summary(readPieces())}\n\nEvery piece is a line of ${path.relative(process.cwd(), FILE)}.`)
  return failed > 0 ? 1 : 0
}
