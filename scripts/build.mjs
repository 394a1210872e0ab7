// npm run build: the addon and dist/, each only where it is absent or stale.
import { ensureBuilt } from './lib/ensure.mjs'
import { main } from './lib/run.mjs'

main(async () => {
  await ensureBuilt()
  console.log('The addon and dist/ are up to date.')
})
