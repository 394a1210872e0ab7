// The engines beside bigrain, installed outside the package: one is 200 MB, one compiles C.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { dataDir, npm } from '../../scripts/lib/run.mjs'

const folder = path.join(dataDir, 'peers-durable')

/** Packages by the engine that needs them. */
const PACKAGES: Record<string, readonly string[]> = {
  'LanceDB': ['@lancedb/lancedb@^0.37.1'],
  'sqlite-vec': ['sqlite-vec@^0.1.9', 'better-sqlite3@^12.0.0'],
}

const nameOf = (spec: string): string => spec.slice(0, spec.lastIndexOf('@'))

const isInstalled = (spec: string): boolean => fs.existsSync(path.join(folder, 'node_modules', nameOf(spec), 'package.json'))

export const peer = (name: string) => createRequire(path.join(folder, 'package.json'))(name)

export const peerVersion = (name: string): string =>
  JSON.parse(fs.readFileSync(path.join(folder, 'node_modules', name, 'package.json'), 'utf8')).version

/** Installs what is not there yet, each engine for itself. Gives for every engine that cannot be had here the reason. */
export async function installPeers(): Promise<Map<string, string>> {
  const missing = new Map<string, string>()
  for (const [engine, specs] of Object.entries(PACKAGES)) {
    if (!specs.every(isInstalled)) {
      console.log(`Installing ${specs.join(', ')} into .data/peers-durable ...`)
      fs.mkdirSync(folder, { recursive: true })
      const manifest = path.join(folder, 'package.json')
      if (!fs.existsSync(manifest)) fs.writeFileSync(manifest, '{"private":true}\n')
      try {
        await npm(['install', '--no-audit', '--no-fund', '--loglevel=error', ...specs], { cwd: folder, echo: false })
      } catch (error) {
        missing.set(engine, String((error as Error).message).split('\n').slice(0, 3).join(' '))
        continue
      }
    }
    try {
      specs.forEach((spec) => peer(nameOf(spec)))
    } catch (error) {
      missing.set(engine, `installed, but does not load: ${String((error as Error).message).split('\n')[0]}`)
    }
  }
  return missing
}
