// Reads what strace wrote: which of the adds between two marks had a finished sync of one of the store's files.

export interface Synced {
  adds: number
  /** adds in whose time a sync began and ended well */
  durableAdds: number
  /** sync calls during these adds, by name */
  calls: Record<string, number>
  /** adds of callers at once, and the sync calls during them */
  callersAdds: number
  callersSyncs: number
}

const SYNC = /^(?:fsync|fdatasync|syncfs|sync|msync)$/
const CALL = /^(\d+)\s+(\w+)\((.*)$/
const RESUMED = /^(\d+)\s+<\.\.\. (\w+) resumed>(.*)$/
const MARK = /"\/bigrain-mark-(\d+)"/

/** A file whose every write waits for the device. Its writes are not watched: the table says that there is one. */
const SYNCED_OPEN = /\bO_D?SYNC\b/
const SYNCED_FILES = 'files opened with O_SYNC or O_DSYNC'

/**
 * @param log of `strace -f -y`
 * @param folder where the store is: syncs of other files say nothing
 * @param adds how many adds lie between the marks 0 and `adds`
 * @param callersAdds how many between the last two marks
 */
export function syncsOf(log: string, folder: string, adds: number, callersAdds: number): Synced {
  const result: Synced = { adds, durableAdds: 0, calls: {}, callersAdds, callersSyncs: 0 }
  const begun = new Map<string, { name: string; during: number }>()
  const durable = new Set<number>()
  let during = 0 // the number of the mark that comes next; 0: before the first
  const ended = (name: string, since: number, text: string) => {
    if (during === 0 || during > adds + 1 || !text.trim().endsWith('= 0')) return
    if (during === adds + 1) return void result.callersSyncs++
    result.calls[name] = (result.calls[name] ?? 0) + 1
    if (since === during) durable.add(during)
  }
  for (const line of log.split('\n')) {
    const resumed = RESUMED.exec(line)
    if (resumed) {
      const call = begun.get(resumed[1] as string)
      begun.delete(resumed[1] as string)
      if (call && call.name === resumed[2]) ended(call.name, call.during, resumed[3] as string)
      continue
    }
    const [, thread, name, rest] = (CALL.exec(line) ?? []) as unknown as [string, string, string, string]
    if (name === undefined) continue
    const mark = MARK.exec(rest)
    if (mark) during = Number(mark[1]) + 1
    else if (rest.includes(folder) && SYNCED_OPEN.test(rest)) result.calls[SYNCED_FILES] = (result.calls[SYNCED_FILES] ?? 0) + 1
    else if (SYNC.test(name) && (rest.includes(folder) || name === 'sync')) {
      if (rest.includes('<unfinished')) begun.set(thread, { name, during })
      else ended(name, during, rest)
    }
  }
  result.durableAdds = durable.size
  return result
}
