import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { toProgram } from '../setup/command.mjs'

const TIMEOUT_SECONDS = 600

/** Variables of this clone, of the npm process that runs the script, and of the terminal. */
const OWN = /^(npm_.*|RESIDUAL_.*|LIBTORCH|LD_LIBRARY_PATH|NODE_OPTIONS|NODE_PATH|COLUMNS)$/i

/**
 * Exit status, output and duration of a command.
 *
 * @typedef {{ status: number, stdout: string, stderr: string, seconds: number }} Outcome
 */

/**
 * A project of a user that installs from the local registry. Projects in the same folder share the
 * caches of the package managers.
 *
 * @typedef {object} Project
 * @property {string} folder
 * @property {(command: readonly string[]) => Promise<Outcome>} run
 */

/**
 * Creates an empty project.
 *
 * @param {string} folder
 * @param {import('./server.mjs').Registry} registry
 * @returns {Promise<Project>}
 */
export async function createProject(folder, registry) {
  const cache = join(folder, '..', 'cache')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  await writeFile(join(folder, 'yarn.lock'), '')
  await writeFile(
    join(folder, '.yarnrc.yml'),
    `npmRegistryServer: ${registry.url}\nunsafeHttpWhitelist: [127.0.0.1]\n` +
      'enableScripts: false\nenableTelemetry: false\nenableGlobalCache: false\n' +
      // Yarn and pnpm refuse versions that were published less than a day ago.
      'npmMinimalAgeGate: 0\n',
  )
  await writeFile(join(folder, 'pnpm-workspace.yaml'), 'minimumReleaseAge: 0\n')
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN.test(name))),
    npm_config_userconfig: registry.npmrc,
    npm_config_registry: registry.url,
    npm_config_ignore_scripts: 'true',
    npm_config_cache: join(cache, 'npm'),
    npm_config_store_dir: join(cache, 'pnpm'),
    YARN_CACHE_FOLDER: join(cache, 'yarn'),
    YARN_GLOBAL_FOLDER: join(cache, 'yarn-global'), // metadata with the addresses of tarballs
    BUN_INSTALL_CACHE_DIR: join(cache, 'bun'),
    BUN_CONFIG_REGISTRY: registry.url,
    DENO_DIR: join(cache, 'deno'),
    NPM_CONFIG_REGISTRY: registry.url, // Deno
    NO_COLOR: '1',
    CI: 'true',
  }
  return {
    folder,
    run: ([command = '', ...args]) => {
      const start = performance.now()
      const options = { cwd: folder, env, timeout: TIMEOUT_SECONDS * 1000, maxBuffer: 2 ** 26 }
      return new Promise((resolve) => {
        execFile(...toProgram(command, args), options, (error, stdout, stderr) => {
          const status = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
          const text = status === 1 && stderr === '' ? stdout || `${error}` : stderr
          const seconds = (performance.now() - start) / 1000
          resolve({ status, stdout, stderr: text, seconds })
        })
      })
    },
  }
}

/**
 * Uses an installed package: prints a network, trains one step, and makes a usage error.
 *
 * @param {Project} project
 * @param {readonly string[]} program command that starts `residual`
 * @returns {Promise<string | undefined>} the first problem
 */
export async function findUseProblem(project, program) {
  const inspect = await project.run([...program, 'inspect', 'resnet18'])
  if (inspect.status !== 0 || !inspect.stdout.includes('11,689,512')) {
    return `inspect: status ${inspect.status}, ${errorLine(inspect.stderr)}`
  }
  const trained = await project.run([...program, ...ONE_STEP])
  if (trained.status !== 0 || !isEnded(trained.stdout)) {
    return `train: status ${trained.status}, ${errorLine(trained.stderr)}`
  }
  const wrong = await project.run([...program, 'train', 'fashion-mnist-mini', 'epochs=-1'])
  return wrong.status === 2 ? undefined : `usage error: status ${wrong.status} instead of 2`
}

/**
 * Returns whether the last line of `train --json` is the event that ends a run.
 *
 * @param {string} stdout
 */
function isEnded(stdout) {
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '').type === 'end'
  } catch {
    return false
  }
}

/** Arguments of a run of one step. */
export const ONE_STEP = [
  ...['train', 'fashion-mnist-mini', '--model', 'resnet8', '--json', '--overwrite'],
  ...['--out', 'runs/one-step', 'budget.steps=1', 'batchSize=16', 'threads=1', 'workers=1'],
]

/**
 * Returns the first line of an output that names an error, otherwise the last line.
 *
 * @param {string} text
 */
export function errorLine(text) {
  const lines = text.trim().split('\n')
  return lines.find((line) => /^error/i.test(line)) ?? lines.at(-1) ?? ''
}
