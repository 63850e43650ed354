import { delimiter, join } from 'node:path'
import type { System } from '../../native/system.js'

/** A Python installation or virtual environment. */
export interface PythonEnvironment {
  /** `sys.prefix`. */
  prefix: string
  /** Folders from which Python imports packages, in the order of `sys.path`. */
  packageDirs: string[]
  /** The package index that pip uses without a configuration; undefined without pip. */
  defaultIndex: string | undefined
}

/**
 * Prints prefix, path and pip's default index. Entries for the working directory are removed before
 * the first import, because a module there could have the name of an imported one.
 */
const PROBE = `
import sys
sys.path[:] = [path for path in sys.path if path]
import json
try:
    from pip._internal.models.index import PyPI
    index = PyPI.simple_url
except Exception:
    index = None
print(json.dumps([sys.prefix, sys.path, index]))
`

/**
 * Finds the Python of the active virtual environment, of the active conda environment, and of the
 * PATH. Each interpreter is started once, and imports only pip, for the URL of its default index.
 */
export async function findPythons(
  system: System,
  env: NodeJS.ProcessEnv = process.env,
): Promise<PythonEnvironment[]> {
  const active = [env.VIRTUAL_ENV, env.CONDA_PREFIX].filter(
    (dir) => dir !== undefined && dir !== '',
  )
  const programs = active.map((dir) => join(dir as string, 'bin', 'python'))
  const onPath = ['python3', 'python'].filter((name) =>
    (env.PATH ?? '').split(delimiter).some((dir) => dir !== '' && system.exists(join(dir, name))),
  )
  const found: PythonEnvironment[] = []
  for (const program of [...programs.filter((path) => system.exists(path)), ...onPath]) {
    const python = parseProbe(await system.run(program, ['-c', PROBE]))
    if (python === undefined || found.some(({ prefix }) => prefix === python.prefix)) continue
    found.push(python)
  }
  return found
}

function parseProbe(stdout: string | undefined): PythonEnvironment | undefined {
  try {
    const [prefix, packageDirs, index] = JSON.parse(stdout ?? '')
    if (typeof prefix !== 'string' || !Array.isArray(packageDirs)) return undefined
    return {
      prefix,
      packageDirs: packageDirs.filter((dir) => typeof dir === 'string'),
      defaultIndex: typeof index === 'string' ? index : undefined,
    }
  } catch {
    return undefined
  }
}
