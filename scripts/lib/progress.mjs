// A progress bar for a terminal; a line at every tenth where the output is a file or a log.

/**
 * @param {string} title what is being done
 * @param {NodeJS.WriteStream} [out]
 * @returns {{ report: (progress: { done: number, total: number, stage: string }) => void, end: () => void }}
 *   `report` fits `onProgress`; `end` leaves the last state and how long it all took
 */
export function progressBar(title, out = process.stdout) {
  const started = performance.now()
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`
  const width = 30
  let shownStage
  let shownTenth = -1
  let drawn = 0

  const line = ({ done, total, stage }) => {
    const part = total > 0 ? Math.min(1, done / total) : 0
    const bar = '#'.repeat(Math.round(part * width)).padEnd(width, '.')
    return `${title} [${bar}] ${String(Math.floor(part * 100)).padStart(3)} % ${stage} ${seconds()}`
  }
  const draw = (progress) => {
    const now = performance.now()
    if (progress.stage === shownStage && progress.done < progress.total && now - drawn < 100) return // ten times a second is enough
    drawn = now
    shownStage = progress.stage
    const text = line(progress)
    out.write(`\r\u001b[K${text.slice(0, Math.max(20, (out.columns ?? 80) - 1))}`)
  }
  const log = (progress) => {
    const tenth = progress.total > 0 ? Math.floor((progress.done / progress.total) * 10) : 0
    if (progress.stage === shownStage && tenth <= shownTenth) return
    shownStage = progress.stage
    shownTenth = tenth
    out.write(`${title}: ${progress.stage} ${tenth * 10} % (${seconds()})\n`)
  }
  return {
    report: out.isTTY ? draw : log,
    end: () => out.write(`${out.isTTY ? '\r\u001b[K' : ''}${title}: done in ${seconds()}\n`),
  }
}
