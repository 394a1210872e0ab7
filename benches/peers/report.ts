// What the sweep says: queries a second at a recall, as a table.
import { table, whole } from '../../scripts/lib/table.mjs'
import type { Built, Measured } from './worker.ts'

export const TARGETS = [0.9, 0.95, 0.99]

export interface EngineResult {
  engine: string
  built: Built
  /** one a round and effort */
  points: Measured[]
}

/** The middle value (of an even number the lower one). */
const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[(numbers.length - 1) >> 1] as number

/** One point an effort: the median of its rounds, efforts ascending. */
export function curve(points: readonly Measured[]): Measured[] {
  const efforts = [...new Set(points.map(({ ef }) => ef))].toSorted((a, b) => a - b)
  return efforts.map((ef) => {
    const rounds = points.filter((point) => point.ef === ef)
    const of = (field: keyof Measured) => median(rounds.map((point) => point[field]))
    return { ef, recall: of('recall'), qps: of('qps'), cpuQps: of('cpuQps') }
  })
}

/**
 * Queries a second at a recall: between the last effort below it and the first at or above it, the logarithm of the
 * speed taken as linear in recall. The least effort if that reaches it already; undefined where none does.
 */
export function qpsAt(target: number, points: readonly Measured[], field: 'qps' | 'cpuQps' = 'qps'): number | undefined {
  const after = points.findIndex((point) => point.recall >= target)
  const [below, above] = [points[after - 1], points[after]]
  if (!above) return undefined
  if (!below) return above[field]
  const part = (target - below.recall) / (above.recall - below.recall)
  return Math.exp(Math.log(below[field]) + part * (Math.log(above[field]) - Math.log(below[field])))
}

const known = (value: number | undefined): string => (value === undefined ? '-' : whole(value))

export function summary(results: readonly EngineResult[]): string {
  const heading = ['', ...TARGETS.map((target) => `QPS at ${target}`), 'most recall', 'build s', 'memory MB']
  const rows = results.map(({ engine, built, points }) => {
    const swept = curve(points)
    const most = Math.max(...swept.map((point) => point.recall))
    return [engine, ...TARGETS.map((target) => known(qpsAt(target, swept))), most.toFixed(4), built.buildSeconds.toFixed(1), known(built.memory / 1e6)]
  })
  return table([heading, ...rows])
}
