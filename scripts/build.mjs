import { copyFile, mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { buildCuda } from './build/cuda.mjs'
import { run } from './setup/command.mjs'
import { BuildError } from './setup/error.mjs'
import { ROOT, runScript, setup } from './setup.mjs'

/**
 * The two addons of the platform package. The light one serves what needs no libtorch and starts in
 * milliseconds. It comes second: all it needs is compiled beside libtorch's C++, which takes long
 * and only one core.
 */
const ADDONS = [
  { name: 'residual-torch', features: [] },
  { name: 'residual', features: ['--no-default-features'] },
]

/**
 * Named to cargo by everyone, as napi does: its folder in target/ is then one and the same, and
 * libtorch's C++ is compiled once for the addon, the tests and clippy.
 */
export const TARGET = 'x86_64-unknown-linux-gnu'

/** Where the platform package, and in a clone the native loader, has the addons. */
const PLATFORM_PACKAGE = join(ROOT, 'bindings', 'npm', 'linux-x64-gnu')

/**
 * Sets up, then builds both addons and the TypeScript. Cargo and tsc decide what is fresh.
 *
 * @returns {Promise<import('./setup.mjs').Ready>}
 */
export async function build() {
  const ready = await setup()
  for (const { name, features } of ADDONS) {
    const built = join(ROOT, 'target', 'napi', name)
    await step(
      'napi build',
      'node_modules/.bin/napi',
      [
        ...['build', '--release', '--target', TARGET, '--package', 'residual-node', ...features],
        ...['--manifest-path', 'bindings/node/Cargo.toml', '--output-dir', built],
      ],
      ready.cargoEnv,
    )
    await replaceAddon(join(built, 'residual.node'), join(PLATFORM_PACKAGE, `${name}.node`))
  }
  await buildCuda(ready, join(PLATFORM_PACKAGE, 'residual-cuda.so'))
  await step('tsc', 'node_modules/.bin/tsc', ['--project', 'tsconfig.json'])
  return ready
}

/**
 * @param {string} name
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
async function step(name, command, args, env) {
  const { status } = await run(command, args, { cwd: ROOT, env, output: 'show' })
  if (status !== 0) throw new BuildError(`${name} failed (exit status ${status})`)
}

/**
 * Puts an addon in place in one move: writing over one that a running process has mapped would kill
 * that process.
 *
 * @param {string} from
 * @param {string} to
 */
async function replaceAddon(from, to) {
  const [fresh, present] = await Promise.all([readFile(from), readFile(to).catch(() => undefined)])
  if (present !== undefined && fresh.equals(present)) return
  await mkdir(PLATFORM_PACKAGE, { recursive: true })
  const staged = `${to}.${process.pid}`
  await copyFile(from, staged)
  await rename(staged, to)
}

await runScript(import.meta.url, async () => {
  await build()
})
