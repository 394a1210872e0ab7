// What figures depend on: processor, system, and above all the file system that is written to.
import fs from 'node:fs'
import os from 'node:os'

/** By the number that statfs gives (Linux). */
const FILE_SYSTEMS: Record<number, string> = {
  0xef53: 'ext2/3/4', 0x01021994: 'tmpfs', 0x58465342: 'xfs', 0x9123683e: 'btrfs', 0x794c7630: 'overlayfs', 0x2fc12fc1: 'zfs', 0x6969: 'nfs',
}

export const fileSystem = (folder: string): string => {
  const { type } = fs.statfsSync(folder)
  return FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`
}

export function machine(folder: string): Record<string, unknown> {
  return {
    cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), memory: os.totalmem(), system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version, load: os.loadavg(), fileSystem: fileSystem(folder),
  }
}

const BYTES = 512
const TRIES = 500

/** The median milliseconds of writing 512 bytes and waiting for the device, in a file that does not grow: no synced add is faster. */
export function deviceFloor(file: string): number {
  const fd = fs.openSync(file, 'w')
  try {
    fs.writeSync(fd, Buffer.alloc(BYTES * TRIES))
    fs.fsyncSync(fd)
    const bytes = Buffer.alloc(BYTES, 1)
    const times = Float64Array.from({ length: TRIES }, (_, n) => {
      const started = performance.now()
      fs.writeSync(fd, bytes, 0, BYTES, n * BYTES)
      fs.fdatasyncSync(fd)
      return performance.now() - started
    })
    return times.toSorted()[TRIES >> 1] as number
  } finally {
    fs.closeSync(fd)
    fs.rmSync(file)
  }
}
