// What the rounds say: rows a second and ratios, as tables, and whether the goals are met.
import { table, whole } from '../../scripts/lib/table.mjs'
import { type Durability, ENGINES } from './engines.ts'
import { type Evidence, STATED, stated } from './evidence.ts'
import { type Pace, TITLES, type Workload, WORKLOADS } from './workloads.ts'

export interface Measured {
  workload: Workload
  durability: Durability
  engine: string
  /** one a round */
  rounds: Pace[]
}

export interface Goal {
  what: string
  ratio: number
  wanted: number
  met: boolean
}

/** The middle value (of an even number the lower one). */
export const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[(numbers.length - 1) >> 1] as number

const rateOf = ({ rounds }: Measured): number => median(rounds.map((round) => round.rowsPerSecond))

const OURS = 'bigrain'
const DURABILITIES = ['sync', 'os'] as const
/** bigrain's part of the best peer's rows a second. A single synced add waits for the same device whoever makes it. */
const wantedOf = (workload: Workload, durability: Durability): number | undefined =>
  workload === 'single' ? (durability === 'sync' ? 0.95 : undefined) : 1

const of = (measured: readonly Measured[], workload: Workload, durability: Durability) =>
  measured.filter((one) => one.workload === workload && one.durability === durability)

/** bigrain against the better of the peers that do the same. */
export function goals(measured: readonly Measured[]): Goal[] {
  return WORKLOADS.flatMap((workload) => DURABILITIES.flatMap((durability): Goal[] => {
    const here = of(measured, workload, durability)
    const ours = here.find(({ engine }) => engine === OURS)
    const peers = here.filter(({ engine }) => engine !== OURS && ENGINES[engine]?.goal)
    const wanted = wantedOf(workload, durability)
    if (!ours || peers.length === 0 || wanted === undefined) return []
    const best = peers.reduce((a, b) => (rateOf(a) >= rateOf(b) ? a : b))
    const ratio = rateOf(ours) / rateOf(best)
    return [{ what: `${TITLES[workload]}, '${durability}', against ${best.engine}`, ratio, wanted, met: wanted === 1 ? ratio > 1 : ratio >= wanted }]
  }))
}

const percent = (part: number): string => `${(part * 100).toFixed(0)} %`

/** The engines that were asked for this, fastest first; LanceDB has only one durability, and is shown without a sync beside those with. */
function rowsOf(measured: readonly Measured[], workload: Workload, durability: Durability): string[][] {
  const here = of(measured, workload, durability)
  const unsynced = durability === 'sync' ? of(measured, workload, 'os').filter(({ engine }) => !ENGINES[engine]?.durabilities.includes('sync')) : []
  const ours = here.find(({ engine }) => engine === OURS)
  const shown = [...here.map((one) => ({ ...one, name: one.engine })), ...unsynced.map((one) => ({ ...one, name: `${one.engine} (does not sync)` }))]
  return shown.toSorted((a, b) => rateOf(b) - rateOf(a)).map((one) => {
    const [rate, rates] = [rateOf(one), one.rounds.map((round) => round.rowsPerSecond)]
    const call = median(one.rounds.map((round) => round.call))
    return [one.name, whole(rate), percent((Math.max(...rates) - Math.min(...rates)) / rate), ours ? (rateOf(ours) / rate).toFixed(2) : '-', `${whole(call * 1000)} us`]
  })
}

export function speeds(measured: readonly Measured[]): string {
  return WORKLOADS.flatMap((workload) => DURABILITIES.map((durability) => {
    const rows = rowsOf(measured, workload, durability)
    return rows.length === 0 ? '' : table([[`${TITLES[workload]}, '${durability}'`, 'rows a second', 'spread', 'bigrain / it', 'one call'], ...rows])
  })).filter((text) => text !== '').join('\n\n')
}

export const evidenceTable = (evidence: readonly Evidence[]): string => table([[...STATED], ...evidence.map(stated)])

export const goalLines = (reached: readonly Goal[]): string =>
  reached.map(({ what, ratio, wanted, met }) => `${met ? 'met   ' : 'MISSED'} ${ratio.toFixed(2)} (${wanted === 1 ? 'above 1' : `at least ${wanted}`}): ${what}`).join('\n')
