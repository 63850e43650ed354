// Fills runs/gpu with everything that scripts/bench/gpu/run needs on a machine without network
// access: Node, the build, and its npm dependencies. About 40 MB.
//
//   node scripts/bench/gpu/pack.mjs

import { cp, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { build } from '../../build.mjs'
import { ADDONS } from '../../pack/addons.mjs'
import { run } from '../../setup/command.mjs'
import { BuildError } from '../../setup/error.mjs'
import { PLATFORM_NAME } from '../../setup/platform.mjs'
import { ROOT, runScript } from '../../setup.mjs'

const FOLDER = join(ROOT, 'runs', 'gpu')
/** npm package with the Node executable. */
const NODE = `node-${process.platform}-${process.arch}@20.20.2`
const BUILT = [
  'dist',
  ...ADDONS.map((name) => `bindings/npm/${PLATFORM_NAME}/${name}`),
  'node_modules/yaml',
]

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} [cwd]
 */
async function runOrFail(command, args, cwd = ROOT) {
  const { status, stderr, stdout } = await run(command, args, { cwd })
  if (status !== 0) throw new BuildError(`${command} ${args[0]} failed:\n${stderr.trim()}`)
  return stdout.trim()
}

await runScript(import.meta.url, async () => {
  if (!process.argv.includes('--no-build')) await build()
  const clone = join(FOLDER, 'clone')
  await rm(clone, { recursive: true, force: true })
  for (const path of BUILT) {
    await cp(join(ROOT, path), join(clone, path), { recursive: true, dereference: true })
  }
  const node = join(FOLDER, 'node.xz')
  if ((await stat(node).catch(() => undefined)) === undefined) {
    const unpacked = await mkdtemp(join(tmpdir(), 'residual-gpu-'))
    try {
      const tarball = await runOrFail('npm', ['pack', '--silent', NODE], unpacked)
      await runOrFail('tar', ['--extract', '--file', tarball, 'package/bin/node'], unpacked)
      await runOrFail('strip', [join(unpacked, 'package/bin/node')])
      await runOrFail('xz', ['-6', '--threads', '0', join(unpacked, 'package/bin/node')])
      await mkdir(FOLDER, { recursive: true })
      await cp(join(unpacked, 'package/bin/node.xz'), `${node}.part`)
      await rename(`${node}.part`, node)
    } finally {
      await rm(unpacked, { recursive: true, force: true })
    }
  }
  const bytes = await runOrFail('du', ['--summarize', '--human-readable', FOLDER])
  process.stdout.write(`${relative(process.cwd(), FOLDER)}  ${bytes.split('\t')[0]}\n`)
})
