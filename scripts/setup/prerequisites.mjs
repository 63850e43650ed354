import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

import { run } from './command.mjs'
import { SetupError } from './error.mjs'

const NODE = '20.19.0'
const RUST = '1.89.0'

/** @typedef {'cxx' | 'pip'} SystemTool a tool that the system's package manager provides */
/** @typedef {{ name: string, found: string, install: string }} Missing */
/** @typedef {{ node: string, path: string, os: string, run: typeof run }} Machine */

const APT = { cxx: 'sudo apt-get install g++', pip: 'sudo apt-get install python3-pip' }

/** @type {Record<string, Record<SystemTool, string>>} */
const INSTALL = {
  'apt-get': APT,
  dnf: { cxx: 'sudo dnf install gcc-c++', pip: 'sudo dnf install python3-pip' },
  pacman: { cxx: 'sudo pacman -S gcc', pip: 'sudo pacman -S python-pip' },
  zypper: { cxx: 'sudo zypper install gcc-c++', pip: 'sudo zypper install python3-pip' },
}

/**
 * Checks the tools that set-up needs and reports all missing ones in one error.
 *
 * @param {{ pip: boolean }} needs whether libtorch has to be downloaded
 * @param {Machine} [machine]
 */
export async function checkPrerequisites({ pip }, machine = thisMachine()) {
  const missing = [
    nodeMissing(machine.node),
    await rustMissing(machine),
    await compilerMissing(machine),
  ].filter((tool) => tool !== undefined)
  if (missing.length === 0) return
  // A missing pip alone is not an error, because libtorch can also be downloaded without it. It is
  // only listed together with other missing tools.
  if (pip && (await findPip(machine.run)) === undefined) {
    missing.push({ name: 'pip', found: 'not found', install: installCommand('pip', machine.path) })
  }
  throw new SetupError('E_PREREQUISITE', ['missing tools:', ...missing.map(describe)].join('\n'), {
    hint: 'install these tools, open a new shell and run the same command again',
  })
}

/**
 * Returns the command that runs pip; undefined if none works.
 *
 * @param {typeof run} [runCommand]
 * @returns {Promise<readonly [string, ...string[]] | undefined>}
 */
export async function findPip(runCommand = run) {
  /** @type {ReadonlyArray<readonly [string, ...string[]]>} */
  const candidates = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']]
  for (const [command, ...args] of candidates) {
    const { status } = await runCommand(command, [...args, '--version'])
    if (status === 0) return [command, ...args]
  }
  return undefined
}

/**
 * Returns the command that installs `tool` with this machine's package manager.
 *
 * @param {SystemTool} tool
 * @param {string} [path] the PATH that is searched for a package manager
 */
export function installCommand(tool, path = process.env.PATH ?? '') {
  const folders = path.split(delimiter)
  const manager = Object.keys(INSTALL).find((name) =>
    folders.some((folder) => folder !== '' && existsSync(join(folder, name))),
  )
  return (INSTALL[manager ?? ''] ?? APT)[tool]
}

/** @returns {Machine} */
function thisMachine() {
  const { platform: os, versions } = process
  return { node: versions.node, path: process.env.PATH ?? '', os, run }
}

/**
 * @param {string} version
 * @returns {Missing | undefined}
 */
function nodeMissing(version) {
  if (atLeast(version, NODE)) return undefined
  return { name: `Node >= ${NODE}`, found: version, install: 'https://nodejs.org/en/download' }
}

/**
 * @param {Machine} machine
 * @returns {Promise<Missing | undefined>}
 */
async function rustMissing({ run: runCommand }) {
  const [rustc, cargo] = await Promise.all([
    runCommand('rustc', ['--version']),
    runCommand('cargo', ['--version']),
  ])
  const version = /^rustc (\d+\.\d+\.\d+)/.exec(rustc.stdout)?.[1]
  const failed = [rustc, cargo].find(({ status }) => status !== 0 && status !== 127)
  if (failed !== undefined) {
    // rustup without a toolchain: its proxies exist and print an error.
    const [message = ''] = failed.stderr.split('\n')
    return { name: `Rust >= ${RUST}`, found: message, install: 'rustup default stable' }
  }
  if (cargo.status !== 0 || version === undefined) {
    return {
      name: `Rust >= ${RUST}`,
      found: 'not found',
      install: "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh",
    }
  }
  if (atLeast(version, RUST)) return undefined
  return { name: `Rust >= ${RUST}`, found: version, install: 'rustup update stable' }
}

/**
 * @param {Machine} machine
 * @returns {Promise<Missing | undefined>}
 */
async function compilerMissing({ path, os, run: runCommand }) {
  // Cargo finds Visual C++, which is not on the PATH, in the registry of Windows.
  if (os === 'win32') return undefined
  const compiler = process.env.CXX ?? 'c++'
  const [cxx, linker] = await Promise.all([
    runCommand(compiler, ['--version']),
    runCommand('cc', ['--version']),
  ])
  if (cxx.status === 0 && linker.status === 0) return undefined
  return {
    name: 'a C++ compiler',
    found: `${cxx.status === 0 ? 'cc' : compiler} not found`,
    install: installCommand('cxx', path),
  }
}

/**
 * @param {string} version
 * @param {string} required
 */
function atLeast(version, required) {
  return version.localeCompare(required, 'en', { numeric: true }) >= 0
}

/** @param {Missing} tool */
function describe({ name, found, install }) {
  return `  ${name} (${found}): ${install}`
}
