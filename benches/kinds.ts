// The kinds of index that the benches of memory and of threads go through.
import type { IndexOptions } from 'bigrain'

export interface Kind {
  options: Partial<IndexOptions>
  /** Queries of one batch: as many as take a good part of a second at most. */
  batch: number
}

export const KINDS: Record<string, Kind> = {
  'hnsw': { options: { coarse: 'hnsw', codes: 'none' }, batch: 1000 },
  'hnsw sq8': { options: { coarse: 'hnsw', codes: 'sq8' }, batch: 1000 },
  'hnsw sq4': { options: { coarse: 'hnsw', codes: 'sq4' }, batch: 1000 },
  'hnsw rabitq': { options: { coarse: 'hnsw', codes: { type: 'rabitq' } }, batch: 1000 },
  'hnsw rabitq 4': { options: { coarse: 'hnsw', codes: { type: 'rabitq', bits: 4 } }, batch: 1000 },
  'flat': { options: { coarse: 'flat', codes: 'none' }, batch: 50 },
  'ivf': { options: { coarse: 'ivf' }, batch: 1000 },
}

export function kindOf(name: string): Kind {
  const kind = KINDS[name]
  if (!kind) throw new Error(`no kind ${name}; there are ${Object.keys(KINDS).join(', ')}`)
  return kind
}
