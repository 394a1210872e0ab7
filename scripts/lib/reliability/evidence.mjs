// What a finding leaves behind for whoever looks into it.
import fs from 'node:fs'
import path from 'node:path'
import { dataDir } from '../run.mjs'

/** Copies the files that a finding is about into .data, and gives the place. */
export function evidence(folder, name) {
  const to = path.join(dataDir, 'reliability', 'findings', name)
  fs.rmSync(to, { recursive: true, force: true })
  fs.cpSync(folder, to, { recursive: true })
  return path.relative(process.cwd(), to)
}
