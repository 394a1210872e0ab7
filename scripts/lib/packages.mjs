// Files out of npm packages that the project uses as data (vectors, images, other Node versions), without installing them.
import fs from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { dataDir, Explained, npm } from './run.mjs'

/**
 * Walks a tar archive: calls `visit(name, bytes, mode)` for every regular file. `bytes` is a view into `archive`.
 * Reads what npm writes: ustar headers, with pax records for long names.
 */
export function untar(archive, visit) {
  const text = (from, length) => {
    const end = archive.subarray(from, from + length).indexOf(0)
    return archive.toString('utf8', from, from + (end < 0 ? length : end))
  }
  let longName
  for (let at = 0; at + 512 <= archive.length;) {
    const name = text(at, 100)
    if (name === '') break // two empty blocks end an archive
    const size = Number.parseInt(text(at + 124, 12).trim() || '0', 8)
    const start = at + 512
    if (!Number.isInteger(size) || start + size > archive.length) throw new Error(`tar: the entry ${name} is cut off`)
    const kind = String.fromCharCode(archive[at + 156] || 48)
    const prefix = text(at + 257, 5) === 'ustar' ? text(at + 345, 155) : ''
    if (kind === 'x') {
      longName = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(archive.toString('utf8', start, start + size))?.[1]
    } else {
      if (kind === '0') visit(longName ?? (prefix ? `${prefix}/${name}` : name), archive.subarray(start, start + size), Number.parseInt(text(at + 100, 8), 8))
      longName = undefined
    }
    at = start + Math.ceil(size / 512) * 512
  }
}

/**
 * The files of a published package: `npm pack` into .data/downloads, unpacked in memory.
 * @param {string} spec name@version
 * @param {(name: string, bytes: Buffer, mode: number) => void} visit called for every file; the name starts below the package
 */
export async function visitPackage(spec, visit) {
  const folder = path.join(dataDir, 'downloads', spec.replace(/[^\w.@-]/g, '_'))
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder, { recursive: true })
  try {
    await npm(['pack', '--silent', '--pack-destination', folder, spec], { echo: false })
    const archive = fs.readdirSync(folder).find((name) => name.endsWith('.tgz'))
    if (!archive) throw new Explained(`npm pack ${spec} left no archive`)
    untar(gunzipSync(fs.readFileSync(path.join(folder, archive))), (name, bytes, mode) => visit(name.replace(/^[^/]*\//, ''), bytes, mode))
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** Makes a folder below .data once: `fill(temporary folder)` runs if it is not there, and a rename makes it appear whole. */
export async function makeOnce(name, fill) {
  const folder = path.join(dataDir, name)
  if (fs.existsSync(folder)) return folder
  const temporary = `${folder}.part-${process.pid}`
  fs.rmSync(temporary, { recursive: true, force: true })
  fs.mkdirSync(temporary, { recursive: true })
  try {
    await fill(temporary)
    // another process may have made it meanwhile: a folder that is there is whole
    if (!fs.existsSync(folder)) fs.renameSync(temporary, folder)
  } finally {
    fs.rmSync(temporary, { recursive: true, force: true })
  }
  return folder
}
