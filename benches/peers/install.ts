// The engines to compare with, installed when they are first asked for; what cannot be had here is left out.
import fs from 'node:fs'
import path from 'node:path'
import { dataDir } from '../../scripts/lib/run.mjs'
import { ENGINES } from './engines.ts'
import { packages } from './node/adapter.ts'
import { makeVenv, type Venv } from './venv.ts'

/** npm packages by the adapter that needs them; hnswlib-node compiles C++. */
const NPM: Record<string, readonly string[]> = {
  bigrain: [],
  usearch: ['usearch@^2.25.3'],
  hnswlib: ['hnswlib-node@^3.0.0'],
  zvec: ['@zvec/zvec@^0.7.0'],
  lancedb: ['@lancedb/lancedb@^0.37.1', 'apache-arrow@^18.1.0'],
}

/** The PyPI package by the adapter that needs it, and the module that it brings; hnswlib compiles C++. */
const PYPI: Record<string, readonly [requirement: string, module: string]> = {
  hnswlib: ['hnswlib==0.8.0', 'hnswlib'],
  faiss: ['faiss-cpu==1.15.1', 'faiss'],
  scann: ['scann==1.4.2', 'scann'],
  lorann: ['lorann==1.0.1', 'lorann'],
  rabitq: ['rabitqlib==0.7.1', 'rabitqlib'],
  glass: ['pyglass-portable==2.1.0', 'glass'],
  vsag: ['pyvsag==0.18.5', 'pyvsag'],
  ngt: ['ngt==2.8.0.post1', 'ngtpy'],
  svs: ['scalable-vs==0.5.0', 'svs'],
}

export interface Peers {
  /** Why an engine cannot take part, by its name. */
  missing: Map<string, string>
  /** Where the engines from PyPI are. */
  venv: Venv | undefined
}

async function installPython(adapters: readonly string[], missing: Map<string, string>): Promise<Venv | undefined> {
  if (adapters.length === 0) return undefined
  const venv = await makeVenv(path.join(dataDir, 'peers', 'venv'))
  if (typeof venv === 'string') {
    adapters.forEach((adapter) => missing.set(adapter, venv))
    return undefined
  }
  for (const adapter of adapters) {
    const [requirement, module] = PYPI[adapter] as readonly [string, string]
    const reason = (await venv.install('numpy', 'numpy')) ?? (await venv.install(requirement, module))
    if (reason) missing.set(adapter, reason)
  }
  return venv
}

/** Installs what the named engines need. */
export async function installPeers(names: readonly string[]): Promise<Peers> {
  fs.mkdirSync(packages.folder, { recursive: true })
  const of = (world: string) => [...new Set(names.map((name) => ENGINES[name]).flatMap((engine) => (engine?.world === world ? [engine.adapter] : [])))]
  const absent = { node: new Map<string, string>(), python: new Map<string, string>() }
  for (const adapter of of('node')) {
    const reason = await packages.install(NPM[adapter] ?? [])
    if (reason) absent.node.set(adapter, reason)
  }
  const venv = await installPython(of('python'), absent.python)
  const missing = new Map<string, string>()
  for (const name of names) {
    const engine = ENGINES[name]
    const reason = engine && absent[engine.world].get(engine.adapter)
    if (reason) missing.set(name, reason)
  }
  return { missing, venv }
}
