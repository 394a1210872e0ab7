// The only file that loads the addon.
import { createRequire } from 'node:module'
import type * as Addon from '#native'
import { BigrainError } from './errors.ts'

// `require`, not `import`: its failure can be caught and explained, and the module stays loadable by `require` itself.
function load(): typeof Addon {
  try {
    return createRequire(import.meta.url)('#native') as typeof Addon
  } catch (cause) {
    const { platform, arch } = process
    const target = [platform, arch, abi()].filter(Boolean).join('-')
    throw new BigrainError(
      'E_INTERNAL',
      `bigrain has no native addon that loads on ${target} (Node ${process.versions.node}). Install the package ` +
        `bigrain-${target} of the same version as bigrain (npm install --include=optional; a lockfile made on another ` +
        `platform may lack it), or in a checkout of bigrain run: npm run build. The cause says what was tried.`,
      { cause },
    )
  }
}

/** The last part of a platform package's name: the C library on Linux, the toolchain on Windows. */
function abi(): string {
  if (process.platform === 'win32') return 'msvc'
  if (process.platform !== 'linux') return ''
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined
  return report?.header?.glibcVersionRuntime ? 'gnu' : 'musl'
}

export const addon = load()
