import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BuildError } from '../setup/error.mjs'
import { PLATFORM, PLATFORM_NAME } from '../setup/platform.mjs'
import { createProject, errorLine, findUseProblem } from './project.mjs'
import { toolPath } from './tools.mjs'

/** @typedef {import('./project.mjs').Project} Project */
/** @typedef {import('./server.mjs').Registry} Registry */

/**
 * Result of one way to install or run the packages.
 *
 * @typedef {object} Result
 * @property {string} name as in `npm 11.19.1`
 * @property {string} command
 * @property {string | undefined} problem undefined if everything worked
 * @property {string} seen what the table says if everything worked
 */

/**
 * @typedef {object} Context
 * @property {string} folder
 * @property {string} modules folder of the installed tools
 * @property {Registry} registry
 */

const USED = 'installed, inspected, trained one step, usage error has status 2'
const CLI = join('node_modules', 'residual', 'dist', 'cli', 'main.js')

/**
 * Installs with a package manager into an empty project, and uses the package there.
 *
 * @param {Context} context
 * @param {{ name: string, program: readonly string[], add: readonly string[],
 *   start: readonly string[], files?: Record<string, string> }} manager `add`: arguments that add
 *   packages; `start`: command that starts `residual`
 * @returns {Promise<Result>}
 */
async function installWith({ folder, registry }, { name, program, add, start, files }) {
  const project = await createProject(join(folder, name.replaceAll(/\W/g, '-')), registry)
  for (const [file, text] of Object.entries(files ?? {})) {
    await writeFile(join(project.folder, file), text)
  }
  const { stdout } = await project.run([...program, '--version'])
  const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0]
  const command = `${name.replace(/ .*/, '').toLowerCase()} ${add.join(' ')}`
  const installed = await project.run([...program, ...add])
  const problem =
    installed.status === 0
      ? await findUseProblem(project, start)
      : `status ${installed.status}: ${errorLine(installed.stderr || installed.stdout)}`
  return { name: `${name} ${version}`, command, problem, seen: USED }
}

/** @typedef {{ client: string, run: () => Promise<Result> }} Installer */

/**
 * Selects installers by their names.
 *
 * @param {readonly Installer[]} all
 * @param {readonly string[] | undefined} clients undefined selects all
 * @throws {BuildError} if a name is unknown
 */
export function selectInstallers(all, clients) {
  if (clients === undefined) return all
  const known = all.map(({ client }) => client)
  const unknown = clients.filter((client) => !known.includes(client))
  if (unknown.length > 0) {
    throw new BuildError(
      `--client: ${unknown.join(', ')} is unknown: choose from ${known.join(', ')}`,
    )
  }
  return all.filter(({ client }) => clients.includes(client))
}

/**
 * Lists the package managers, in the order of the table.
 *
 * @param {Context} context
 * @returns {Installer[]}
 */
export function installers(context) {
  const { modules } = context
  // pnpm 12 needs Node 22.
  const node = toolPath(modules, 'node24')
  const pnpm = [node, join(modules, 'pnpm', 'bin', 'pnpm.mjs')]
  const yarn = [node, join(modules, 'yarn', 'bin', 'yarn.js')]
  const berry = [node, join(modules, '@yarnpkg', 'cli-dist', 'bin', 'yarn.js')]
  const bun = toolPath(modules, 'bun')
  const deno = toolPath(modules, 'deno')
  const add = (/** @type {Parameters<typeof installWith>[1]} */ manager) => () =>
    installWith(context, manager)
  return [
    {
      client: 'npm',
      run: add({
        ...{ name: 'npm', program: ['npm'], add: ['install', 'residual'] },
        start: ['npx', '--offline', 'residual'],
      }),
    },
    { client: 'npm-omit', run: () => omitOptional(context) },
    { client: 'npm-lock', run: () => lockOfAnotherPlatform(context) },
    {
      client: 'pnpm',
      run: add({
        ...{ name: 'pnpm', program: pnpm, add: ['add', 'residual', '--ignore-scripts'] },
        start: [...pnpm, 'exec', 'residual'],
      }),
    },
    {
      client: 'yarn',
      run: add({
        ...{ name: 'yarn', program: yarn, add: ['add', 'residual', '--ignore-scripts'] },
        start: [...yarn, '--silent', 'residual'],
      }),
    },
    {
      client: 'berry',
      run: add({
        ...{ name: "Yarn (Plug'n'Play)", program: berry, add: ['add', 'residual'] },
        start: [...berry, 'residual'],
      }),
    },
    {
      client: 'bun',
      run: add({
        ...{ name: 'Bun', program: [bun], add: ['add', 'residual', '--ignore-scripts'] },
        start: [bun, '--bun', CLI],
      }),
    },
    {
      client: 'deno',
      run: add({
        ...{ name: 'Deno', program: [deno], add: ['install', 'npm:residual'] },
        start: [deno, 'run', '--allow-all', '--node-modules-dir=manual', CLI],
        files: { 'deno.json': '{ "nodeModulesDir": "manual", "minimumDependencyAge": 0 }\n' },
      }),
    },
    .../** @type {const} */ (['node20', 'node22', 'node24', 'node26']).map((name) => ({
      client: name,
      run: () => runWithNode(context, toolPath(modules, name)),
    })),
  ]
}

/**
 * Uses a project that npm installed with another version of Node.
 *
 * @param {Context} context
 * @param {string} node
 * @returns {Promise<Result>}
 */
async function runWithNode({ folder, registry }, node) {
  const project = await createProject(join(folder, 'nodes'), registry)
  const { stdout: version } = await project.run([node, '--version'])
  const installed = await project.run(['npm', 'install', 'residual'])
  const problem =
    installed.status === 0
      ? await findUseProblem(project, [node, CLI])
      : errorLine(installed.stderr)
  return { name: `Node ${version.trim().slice(1)}`, command: `node ${CLI}`, problem, seen: USED }
}

/**
 * Installs without the optional dependencies: the error must name the package and the remedy.
 *
 * @param {Context} context
 * @returns {Promise<Result>}
 */
async function omitOptional({ folder, registry }) {
  const project = await createProject(join(folder, 'omit'), registry)
  const command = 'npm install residual --omit=optional'
  const installed = await project.run(command.split(' '))
  const problem =
    installed.status === 0 ? await findMissingProblem(project) : errorLine(installed.stderr)
  return { name: 'npm, without optional packages', command, problem, seen: NAMED }
}

const NAMED = '`E_PLATFORM` names the package and the command that installs it, status 3'

/**
 * Installs from a lock file that npm made on another platform, which lacks the packages of this
 * one: npm's known fault of optional dependencies. The error must name the remedy, which must work.
 *
 * @param {Context} context
 * @returns {Promise<Result>}
 */
async function lockOfAnotherPlatform({ folder, registry }) {
  const project = await createProject(join(folder, 'lock'), registry)
  const lockfile = join(project.folder, 'package-lock.json')
  await project.run(['npm', 'install', 'residual', '--package-lock-only'])
  const lock = JSON.parse(await readFile(lockfile, 'utf8'))
  for (const name of [PLATFORM_NAME, PLATFORM.libtorch.name]) {
    delete lock.packages[`node_modules/@residual/${name}`]
  }
  await writeFile(lockfile, JSON.stringify(lock))
  const strict = await project.run(['npm', 'ci'])
  const isNamed = strict.stderr.includes(`Missing: @residual/${PLATFORM_NAME}`)
  const installed = await project.run(['npm', 'install'])
  const program = ['npx', '--offline', 'residual']
  let problem = installed.status === 0 ? undefined : errorLine(installed.stderr)
  const isRepaired = problem === undefined && (await findUseProblem(project, program)) === undefined
  if (!isRepaired) problem ??= await findMissingProblem(project)
  for (const path of ['node_modules', 'package-lock.json']) {
    await rm(join(project.folder, path), { recursive: true, force: true })
  }
  await project.run(['npm', 'install'])
  problem ??= await findUseProblem(project, program)
  const ci = isNamed ? '`npm ci` fails and names the package' : `\`npm ci\` status ${strict.status}`
  const remedy = 'works after removing `node_modules` and `package-lock.json`'
  return {
    name: 'npm, lock file without this platform',
    command: 'npm ci; npm install',
    problem,
    seen: `${ci}; ${isRepaired ? '`npm install` adds it' : `${NAMED}; ${remedy}`}`,
  }
}

/**
 * Returns the problem of an installation that lacks the packages of this platform.
 *
 * @param {Project} project
 */
async function findMissingProblem(project) {
  const { status, stderr } = await project.run(['npx', '--offline', 'residual', 'doctor'])
  const used = await project.run(['npx', '--offline', 'residual', 'inspect', 'resnet18'])
  const parts = ['E_PLATFORM', `@residual/${PLATFORM_NAME}`, 'npm install']
  const missing = parts.filter((part) => !used.stderr.includes(part))
  if (used.status !== 3) return `status ${used.status} instead of 3: ${errorLine(used.stderr)}`
  if (missing.length > 0) return `the error does not name ${missing.join(', ')}: ${used.stderr}`
  return status === 0 ? `doctor reports no problem: ${stderr}` : undefined
}
