// A virtual environment of Python with packages from PyPI, made when it is first needed.
import fs from 'node:fs'
import path from 'node:path'
import { exists, must, run } from '../../scripts/lib/run.mjs'

const windows = process.platform === 'win32'

export class Venv {
  readonly python: string

  constructor(folder: string) {
    this.python = path.join(folder, ...(windows ? ['Scripts', 'python.exe'] : ['bin', 'python']))
  }

  async #imports(module: string): Promise<string | undefined> {
    const { code, output } = await run(this.python, ['-c', `import ${module}`], { echo: false, keep: true })
    return code === 0 ? undefined : output.trimEnd().split('\n').at(-1)
  }

  /** Installs a package unless its module is there. Gives the reason where it cannot be had here. */
  async install(requirement: string, module: string): Promise<string | undefined> {
    if ((await this.#imports(module)) === undefined) return undefined
    console.log(`Installing ${requirement} from PyPI ...`)
    const { code, output } = await run(this.python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', requirement], { echo: false, keep: true })
    if (code !== 0) return output.split('\n').findLast((line: string) => line.startsWith('ERROR')) ?? `pip ended with ${code}`
    return this.#imports(module)
  }
}

/** Makes the environment in `folder`, or says why that cannot be. */
export async function makeVenv(folder: string): Promise<Venv | string> {
  const venv = new Venv(folder)
  if (fs.existsSync(venv.python)) return venv
  const python = windows ? 'python' : 'python3'
  if (!exists(python)) return `there is no ${python}`
  console.log(`Making a virtual environment of Python in ${path.relative(process.cwd(), folder)} ...`)
  try {
    await must(python, ['-m', 'venv', folder], { echo: false })
  } catch (error) {
    fs.rmSync(folder, { recursive: true, force: true })
    return String((error as Error).message).split('\n').slice(0, 3).join(' ')
  }
  return venv
}
