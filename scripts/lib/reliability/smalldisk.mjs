// Places that fill up: a small tmpfs where this process may mount one, else a limit on the length of files.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

const mounted = new Set()
const unmount = (folder) => spawnSync('umount', ['-l', folder])
process.once('exit', () => { for (const folder of mounted) unmount(folder) })

/** Whether this process may mount a small disk. */
export function mayMount(work) {
  if (process.platform !== 'linux') return false
  const disk = mountSmall(path.join(work, 'probe'), 1 << 20)
  disk?.close()
  return disk !== undefined
}

/** A disk of `bytes`, part of which is taken until `free`; nothing where it cannot be had. */
export function mountSmall(folder, bytes) {
  fs.mkdirSync(folder, { recursive: true })
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder]).status !== 0) return undefined
  mounted.add(folder)
  const ballast = path.join(folder, 'ballast')
  fs.writeFileSync(ballast, Buffer.alloc(bytes >> 2))
  return {
    wrap: (command) => command,
    /** Makes room, as somebody who deletes files and somebody who adds a disk would. */
    free() {
      fs.rmSync(ballast)
      spawnSync('mount', ['-o', `remount,size=${8 * bytes}`, folder])
    },
    close() {
      unmount(folder)
      mounted.delete(folder)
    },
  }
}

/** Files of `bytes` at most, for the commands that are wrapped, until `free`. Such writes are cut short first, and then fail. */
export function limitLength(bytes) {
  let limited = true
  return {
    wrap: (command) => (limited ? ['sh', '-c', `ulimit -f ${Math.ceil(bytes / 512)}; exec "$@"`, 'sh', ...command] : command),
    free() { limited = false },
    close() {},
  }
}
