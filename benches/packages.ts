// Engines to compare with, from npm, installed outside the package: one is 200 MB, some compile C, and a library must not ask that of its developers.
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { dataDir, npm } from '../scripts/lib/run.mjs'

const nameOf = (spec: string): string => spec.slice(0, spec.lastIndexOf('@'))

/** A folder below .data with packages in it. */
export class Packages {
  readonly folder: string

  constructor(name: string) {
    this.folder = path.join(dataDir, name)
  }

  load(name: string) {
    return createRequire(path.join(this.folder, 'package.json'))(name)
  }

  version(name: string): string {
    return JSON.parse(fs.readFileSync(path.join(this.folder, 'node_modules', name, 'package.json'), 'utf8')).version
  }

  /** Installs what is not there yet, `name@range` each. Gives the reason where one cannot be had here. */
  async install(specs: readonly string[]): Promise<string | undefined> {
    const isThere = (spec: string) => fs.existsSync(path.join(this.folder, 'node_modules', nameOf(spec), 'package.json'))
    if (!specs.every(isThere)) {
      console.log(`Installing ${specs.join(', ')} into .data/${path.basename(this.folder)} ...`)
      fs.mkdirSync(this.folder, { recursive: true })
      const manifest = path.join(this.folder, 'package.json')
      if (!fs.existsSync(manifest)) fs.writeFileSync(manifest, '{"private":true}\n')
      try {
        await npm(['install', '--no-audit', '--no-fund', '--loglevel=error', ...specs], { cwd: this.folder, echo: false })
      } catch (error) {
        return String((error as Error).message).split('\n').slice(0, 3).join(' ')
      }
    }
    try {
      specs.forEach((spec) => this.load(nameOf(spec)))
    } catch (error) {
      return `installed, but does not load: ${String((error as Error).message).split('\n')[0]}`
    }
    return undefined
  }
}
