// The engines beside bigrain, by the packages that they need.
import { Packages } from '../packages.ts'

const PACKAGES: Record<string, readonly string[]> = {
  'LanceDB': ['@lancedb/lancedb@^0.37.1'],
  'sqlite-vec': ['sqlite-vec@^0.1.9', 'better-sqlite3@^12.0.0'],
}

export const peers = new Packages('peers-durable')

/** Installs what is not there yet, each engine for itself. Gives for every engine that cannot be had here the reason. */
export async function installPeers(): Promise<Map<string, string>> {
  const missing = new Map<string, string>()
  for (const [engine, specs] of Object.entries(PACKAGES)) {
    const reason = await peers.install(specs)
    if (reason) missing.set(engine, reason)
  }
  return missing
}
