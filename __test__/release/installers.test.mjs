import { join } from 'node:path'
import test from 'ava'
import { installers, selectInstallers } from '../../scripts/registry/installers.mjs'
import { findUseProblem } from '../../scripts/registry/project.mjs'
import { toolPath } from '../../scripts/registry/tools.mjs'

/** @typedef {import('../../scripts/registry/project.mjs').Outcome} Outcome */

const ALL = installers({
  ...{ folder: 'folder', modules: 'modules' },
  registry: { url: 'http://127.0.0.1/', npmrc: 'npmrc', stop: () => {} },
})

const INSPECTED = { status: 0, stdout: '11,689,512' }
const TRAINED = { status: 0, stdout: '{"type":"start"}\n{"type":"end"}\n' }
const REJECTED = { status: 2 }

/**
 * Returns a project whose commands have the given outcomes, in this order.
 *
 * @param {readonly Partial<Outcome>[]} outcomes
 */
function projectWith(...outcomes) {
  const rest = [...outcomes]
  return {
    folder: '',
    run: async () => ({ status: 1, stdout: '', stderr: '', seconds: 0, ...rest.shift() }),
  }
}

test('an unknown client is an error, not an exercise of nothing', (t) => {
  t.is(selectInstallers(ALL, undefined), ALL)
  t.deepEqual(
    selectInstallers(ALL, ['npm', 'bun']).map(({ client }) => client),
    ['npm', 'bun'],
  )
  t.throws(() => selectInstallers(ALL, ['npm', 'nmp']), { message: /^--client: nmp is unknown/ })
})

test('a command that fails, or prints no end of a run, is a problem', async (t) => {
  const problemOf = (/** @type {Partial<Outcome>[]} */ ...outcomes) =>
    findUseProblem(projectWith(...outcomes), ['residual'])
  t.is(await problemOf(INSPECTED, TRAINED, REJECTED), undefined)
  t.regex((await problemOf({ status: 0 })) ?? '', /^inspect: status 0/)
  t.regex((await problemOf(INSPECTED, { status: 0, stdout: 'Done in 1 s' })) ?? '', /^train: /)
  t.is(await problemOf(INSPECTED, TRAINED, { status: 0 }), 'usage error: status 0 instead of 2')
})

test('the programs of Bun and Deno are in the package of the platform', (t) => {
  const path = (/** @type {'bun' | 'deno'} */ name, platform = '', arch = '') =>
    toolPath('modules', name, { platform, arch })
  const bun = join('modules', '@oven')
  t.is(path('bun', 'linux', 'x64'), join(bun, 'bun-linux-x64', 'bin', 'bun'))
  t.is(path('bun', 'darwin', 'arm64'), join(bun, 'bun-darwin-aarch64', 'bin', 'bun'))
  t.is(path('bun', 'win32', 'x64'), join(bun, 'bun-windows-x64', 'bin', 'bun.exe'))
  const deno = join('modules', '@deno')
  t.is(path('deno', 'linux', 'arm64'), join(deno, 'linux-arm64-glibc', 'deno'))
  t.is(path('deno', 'win32', 'x64'), join(deno, 'win32-x64', 'deno.exe'))
})
