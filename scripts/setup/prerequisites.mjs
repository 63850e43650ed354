import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

import { run } from './command.mjs'
import { SetupError } from './error.mjs'

const NODE = '20.19.0'
const RUST = '1.88.0'

/** @typedef {'cxx' | 'pip'} SystemTool what the operating system's package manager provides */
/** @typedef {{ name: string, found: string, install: string }} Missing */
/** @typedef {{ node: string, path: string, run: typeof run }} Machine */

const APT = { cxx: 'sudo apt-get install g++', pip: 'sudo apt-get install python3-pip' }

/** @type {Record<string, Record<SystemTool, string>>} */
const INSTALL = {
  'apt-get': APT,
  dnf: { cxx: 'sudo dnf install gcc-c++', pip: 'sudo dnf install python3-pip' },
  pacman: { cxx: 'sudo pacman -S gcc', pip: 'sudo pacman -S python-pip' },
  zypper: { cxx: 'sudo zypper install gcc-c++', pip: 'sudo zypper install python3-pip' },
}

/**
 * Checks what set-up assumes and refuses with everything that is missing at once.
 *
 * @param {{ pip: boolean }} needs whether libtorch would have to be downloaded
 * @param {Machine} [machine]
 */
export async function checkPrerequisites({ pip }, machine = thisMachine()) {
  const missing = [
    nodeMissing(machine.node),
    await rustMissing(machine),
    await compilerMissing(machine),
  ].filter((tool) => tool !== undefined)
  if (missing.length === 0) return
  // Missing pip alone is no reason to stop, as PyTorch's site serves libtorch too; but someone who
  // has to install things anyway should hear of all of them together.
  if (pip && (await findPip(machine.run)) === undefined) {
    missing.push({ name: 'pip', found: 'not found', install: installCommand('pip', machine.path) })
  }
  throw new SetupError(
    'E_PREREQUISITE',
    ['missing on this machine:', ...missing.map(describe)].join('\n'),
    { hint: 'install what is named above, open a new shell, and run the same command again' },
  )
}

/**
 * The command that runs pip, or undefined where there is none that works.
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
 * The command that installs `tool` with this machine's package manager.
 *
 * @param {SystemTool} tool
 * @param {string} [path] the PATH to look for a package manager in
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
  return { node: process.versions.node, path: process.env.PATH ?? '', run }
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
    // rustup without a toolchain: its stand-ins for the programs are there and say so.
    const [said = ''] = failed.stderr.split('\n')
    return { name: `Rust >= ${RUST}`, found: said, install: 'rustup default stable' }
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
async function compilerMissing({ path, run: runCommand }) {
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
 * @param {string} wanted
 */
function atLeast(version, wanted) {
  return version.localeCompare(wanted, 'en', { numeric: true }) >= 0
}

/** @param {Missing} tool */
function describe({ name, found, install }) {
  return `  ${name} (${found}): ${install}`
}
