import { spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run } from '../setup/command.mjs'
import { BuildError } from '../setup/error.mjs'
import { freePort } from './free-port.mjs'
import { toolPath } from './tools.mjs'

const START_SECONDS = 120

/**
 * A registry on a loopback address. It stores the packages of this repository, and passes requests
 * of others to the configured registry, whose answers it keeps.
 *
 * @typedef {{ url: string, npmrc: string, stop: () => void }} Registry
 */

/**
 * Starts verdaccio.
 *
 * @param {string} modules folder of the installed tools
 * @param {string} folder empty folder for its files
 * @returns {Promise<Registry>}
 */
export async function startRegistry(modules, folder) {
  await mkdir(folder, { recursive: true })
  const { stdout: uplink } = await run('npm', ['config', 'get', 'registry'])
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/`
  const config = join(folder, 'config.yaml')
  await writeFile(config, configuration(uplink.trim()))
  const npmrc = join(folder, 'npmrc')
  await writeFile(npmrc, `registry=${url}\n//127.0.0.1:${port}/:_authToken=local\n`)
  const args = [join(modules, 'verdaccio', 'bin', 'verdaccio'), '--config', config]
  const child = spawn(toolPath(modules, 'node24'), [...args, '--listen', `127.0.0.1:${port}`], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.once('error', ({ message }) => {
    stderr += message
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  const stop = () => void child.kill()
  process.once('exit', stop)
  for (const deadline = performance.now() + START_SECONDS * 1000; ; await sleep(200)) {
    if ((await fetch(new URL('-/ping', url)).catch(() => undefined))?.ok) break
    const hasEnded = child.pid === undefined || child.exitCode !== null
    if (hasEnded || performance.now() > deadline) {
      stop()
      throw new BuildError(`verdaccio did not start:\n${stderr}`)
    }
  }
  return { url, npmrc, stop }
}

/** @param {string} uplink registry of all other packages */
function configuration(uplink) {
  const own = { access: '$all', publish: '$all' }
  // JSON is valid YAML.
  return JSON.stringify({
    storage: './storage',
    auth: { htpasswd: { file: './htpasswd' } },
    uplinks: { uplink: { url: uplink, maxage: '1d', cache: true, timeout: '60s' } },
    packages: {
      '@residual/*': own,
      residual: own,
      '**': { access: '$all', proxy: 'uplink' },
    },
    max_body_size: '300mb',
    log: { type: 'stdout', level: 'warn' },
    web: { enable: false },
  })
}
