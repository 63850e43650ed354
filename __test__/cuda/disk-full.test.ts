import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { ROOT } from '../child.js'
import { serve } from '../download/server.js'
import { tempFolder } from '../tiny.js'
import { fakeWheels, indexHandler, pinsOf } from './wheel.js'

/** Returns whether a process may mount a disk in a mount namespace of its own. */
function canMount(): boolean {
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], {
      stdio: 'ignore',
    })
    return true
  } catch {
    return false
  }
}

/** Installs on a disk of `size` kilobytes that claims to have free space; then on a larger one. */
const PROGRAM = `
  import { readdirSync, existsSync } from 'node:fs'
  import { execFileSync } from 'node:child_process'
  import { installWheels } from '#dist/cuda/install.js'
  import { readCudaInstallation } from '#dist/native/cuda-installation.js'
  const { pins, disk, size, url } = JSON.parse(process.env.REQUEST)
  const mount = (options) => execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', disk])
  mount('size=' + size + 'k')
  const folder = disk + '/cuda'
  const sources = { folders: [], pages: [], indexes: [url + 'simple'], connection: {} }
  const options = { tryLoading: async () => undefined, freeBytes: async () => 1e12 }
  const install = () => installWheels(folder, pins, sources, 'download', options)
  const { code, message, hint } = await install().then(String, (error) => error)
  const failure = { code, message, hint, exists: existsSync(folder), names: readdirSync(disk) }
  mount('remount,size=10m')
  await install()
  console.log(JSON.stringify({ failure, state: readCudaInstallation(folder).status }))
`

/** Runs the program in a mount namespace and returns its output. */
async function runInNamespace(env: NodeJS.ProcessEnv): Promise<string> {
  const args = ['--mount', process.execPath, '--input-type=module', '--eval', PROGRAM]
  const options = { cwd: ROOT, env: { ...process.env, ...env } }
  return (await promisify(execFile)('unshare', args, options)).stdout
}

test('a disk that is full during the download or the unpacking leaves nothing that is used', async (t) => {
  if (!canMount()) {
    t.log('skipped: this user may not mount a disk')
    return t.pass()
  }
  const wheels = fakeWheels()
  const { url, requests } = await serve(t, indexHandler(wheels))
  // The wheels have 350 kB, and unpacked as much again.
  for (const size of [200, 600]) {
    const disk = join(tempFolder(t), 'disk')
    mkdirSync(disk)
    const request = { pins: pinsOf(wheels), disk, size, url }
    const stdout = await runInNamespace({ REQUEST: JSON.stringify(request) })
    const { failure, state } = JSON.parse(stdout)
    t.is(failure.code, 'E_WRITE')
    t.regex(failure.message, /no space is left on the disk of/)
    t.regex(failure.hint, /RESIDUAL_CACHE/)
    t.false(failure.exists)
    t.deepEqual(failure.names, ['cuda.downloads'])
    t.is(state, 'complete')
    t.false(existsSync(join(disk, 'cuda')), 'the disk was mounted for the child only')
  }
  t.true(requests.length > 0)
})
