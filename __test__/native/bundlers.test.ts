import { execFile, spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { node, ROOT } from '../child.js'
import { tempFolder } from '../tiny.js'
import { installPackage, type Project } from './installed-package.js'

const MINUTES = 60_000
/** Environment variable that includes Next.js, whose installation takes 300 MB and a minute. */
const ALLOW_NEXTJS = 'RESIDUAL_TEST_NEXTJS'

/** Output of each example. */
const EXPECTED = {
  parameters: 11_689_512,
  recipes: readdirSync(join(ROOT, 'recipes')).length,
  stopReason: 'budget',
}

const exampleFolder = (name: string) => join(ROOT, 'examples', 'bundlers', name)

const installations = new Map<string, Promise<string | undefined>>()

/**
 * Installs the bundler of an example into `target/bundlers`, where it is kept, with the exact
 * versions of the example's package.json.
 *
 * @returns the folder that contains node_modules; undefined if the registry cannot be reached
 */
async function installBundler(t: ExecutionContext, name: string): Promise<string | undefined> {
  const folder = join(ROOT, 'target', 'bundlers', name)
  let installation = installations.get(name)
  if (installation === undefined) {
    installation = npmInstall(folder, name)
    installations.set(name, installation)
  }
  const error = await installation
  if (error === undefined) return folder
  t.log(`skipped: ${name} cannot be installed: ${error}`)
  return undefined
}

/** Installs the dependencies of an example, and returns the error, if there is one. */
async function npmInstall(folder: string, name: string): Promise<string | undefined> {
  const manifest = JSON.parse(readFileSync(join(exampleFolder(name), 'package.json'), 'utf8'))
  // This package is not on the registry in this version: the project gets the one of the clone.
  const { residual: _, ...dependencies } = { ...manifest.dependencies, ...manifest.devDependencies }
  const wanted = JSON.stringify({ private: true, type: 'module', dependencies })
  const installed = join(folder, 'installed.json')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === wanted) return undefined
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), wanted)
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
  const error = await new Promise<string | undefined>((resolve) => {
    execFile('npm', ['install', ...options], { cwd: folder }, (error, _, stderr) =>
      resolve(error === null ? undefined : stderr.trim().split('\n')[0]),
    )
  })
  if (error === undefined) writeFileSync(installed, wanted)
  return error
}

/** Copies an example below the installed bundler, and installs this package in it. */
function copyExample(t: ExecutionContext, name: string, bundler: string): Project {
  const folder = mkdtempSync(join(bundler, 'project-'))
  cpSync(exampleFolder(name), folder, { recursive: true })
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return installPackage(t, folder)
}

/** Runs a program of an installed bundler. */
async function build(t: ExecutionContext, project: Project, args: readonly string[]) {
  const { status, stdout, stderr } = await node(args, { cwd: project.folder })
  t.is(status, 0, stdout + stderr)
}

test('no module of the package finds files by its own path, which a bundler changes', (t) => {
  const src = join(ROOT, 'src')
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(c?ts|js)$/.test(name))
    .filter((name) =>
      /import\.meta\.(url|dirname|filename)/.test(readFileSync(join(src, name), 'utf8')),
    )
  // The command line is not a part of a bundle.
  const bundled = files.filter((name) => !/^cli[\\/]/.test(name))
  t.deepEqual(bundled, [join('native', 'loading', 'package-files.ts')])
})

for (const { name, command, output } of [
  { name: 'esbuild', command: ['build.mjs'], output: 'main.js' },
  { name: 'webpack', command: ['../node_modules/webpack/bin/webpack.js'], output: 'main.js' },
  {
    name: 'vite-ssr',
    command: ['../node_modules/vite/bin/vite.js', 'build', '--ssr', 'src/server.ts'],
    output: 'server.js',
  },
]) {
  test.serial(`the example of ${name} is built and runs`, async (t) => {
    t.timeout(10 * MINUTES)
    const bundler = await installBundler(t, name)
    if (bundler === undefined) return t.pass()
    const project = copyExample(t, name, bundler)
    await build(t, project, command)
    const { stdout, stderr } = await node([`dist/${output}`], { cwd: project.folder })
    t.is(stderr, '')
    t.deepEqual(JSON.parse(stdout), EXPECTED)
  })
}

/** Builds the example of esbuild without `external`, so that the bundle contains this package. */
async function bundleAll(t: ExecutionContext, format: 'esm' | 'cjs') {
  const bundler = await installBundler(t, 'esbuild')
  if (bundler === undefined) return undefined
  const project = copyExample(t, 'esbuild', bundler)
  const config = join(project.folder, 'build.mjs')
  const [extension, entry] = format === 'esm' ? ['mjs', 'src/main.ts'] : ['cjs', 'src/main.cts']
  // CommonJS has no top-level await.
  const source = readFileSync(join(project.folder, 'src/main.ts'), 'utf8')
  const [imports = '', ...program] = source.split('\n')
  const main = `${imports}\nasync function main() {\n${program.join('\n')}\n}\nmain()\n`
  writeFileSync(join(project.folder, 'src/main.cts'), main)
  const text = readFileSync(config, 'utf8')
    // Vega's modules wait for optional packages with a top-level await, which CommonJS cannot do.
    .replace("['residual']", format === 'esm' ? '[]' : "['vega', 'vega-lite']")
    .replace('bundle: true', "bundle: true, logLevel: 'error'")
    .replace("'esm'", `'${format}'`)
    .replace('src/main.ts', entry)
    .replace('dist/main.js', `dist/main.${extension}`)
  writeFileSync(config, text)
  await build(t, project, ['build.mjs'])
  return { project, output: `dist/main.${extension}` }
}

for (const format of ['esm', 'cjs'] as const) {
  test.serial(
    `a bundle that contains the package finds its files in node_modules (${format})`,
    async (t) => {
      t.timeout(10 * MINUTES)
      const bundle = await bundleAll(t, format)
      if (bundle === undefined) return t.pass()
      const { project, output } = bundle
      const { stdout, stderr } = await node([output], { cwd: project.folder })
      t.is(stderr, '')
      t.deepEqual(JSON.parse(stdout), EXPECTED)

      // Where the package is not installed, the error names the setting of the bundler.
      const elsewhere = tempFolder(t)
      const moved = join(elsewhere, output.replace('dist/', ''))
      cpSync(join(project.folder, output), moved)
      const failed = await node([moved], { cwd: elsewhere })
      t.is(failed.status, 1)
      t.regex(
        failed.stderr,
        /the package residual was bundled into .*main\.[cm]js, without its recipes, data and native addons/,
      )
      t.regex(
        failed.stderr,
        /Mark `residual` as external.*`npm install residual` where the program runs/,
      )
      t.regex(failed.stderr, /code: 'E_PLATFORM'/)

      // A bundle of another version than the installed package.
      const installed = project.installed('residual/package.json')
      const manifest = JSON.parse(readFileSync(installed, 'utf8'))
      writeFileSync(installed, JSON.stringify({ ...manifest, version: '99.0.0' }))
      const mismatch = await node([output], { cwd: project.folder })
      t.regex(mismatch.stderr, /was bundled into .*, but version 99\.0\.0 is installed/)
    },
  )
}

test.serial('a CommonJS bundle that contains `residual/electron` finds the host', async (t) => {
  t.timeout(10 * MINUTES)
  const bundler = await installBundler(t, 'esbuild')
  if (bundler === undefined) return t.pass()
  const project = copyExample(t, 'esbuild', bundler)
  writeFileSync(
    join(project.folder, 'main.cts'),
    `import { createTrainer, preloadPath } from 'residual/electron'
    async function main() {
      console.log(preloadPath)
      const trainer = createTrainer()
      await trainer.predict('/nowhere', 'cat.jpg').catch(({ code }) => console.log(code))
      await trainer.close()
    }
    main().catch(({ code, hint }) => console.log(code, hint))`,
  )
  const config = join(project.folder, 'build.mjs')
  const text = readFileSync(config, 'utf8')
    .replace("['residual']", "['vega', 'vega-lite'], logLevel: 'error'")
    .replace("'esm'", "'cjs'")
    .replace('src/main.ts', 'main.cts')
    .replace('dist/main.js', 'dist/main.cjs')
  writeFileSync(config, text)
  await build(t, project, ['build.mjs'])
  const { stdout, stderr } = await node(['dist/main.cjs'], { cwd: project.folder })
  t.is(stderr, '')
  const [preload = '', code] = stdout.trim().split('\n')
  t.true(existsSync(preload), preload)
  t.is(code, 'E_CHECKPOINT')

  const elsewhere = tempFolder(t)
  cpSync(join(project.folder, 'dist'), elsewhere, { recursive: true })
  const missing = await node(['main.cjs'], { cwd: elsewhere })
  t.is(missing.stderr, '')
  t.regex(missing.stdout, /^\nE_PLATFORM Mark `residual` as external/)
})

test.serial('the example of nextjs is built and answers', async (t) => {
  t.timeout(10 * MINUTES)
  if (process.env[ALLOW_NEXTJS] === undefined) {
    t.log(`skipped: set ${ALLOW_NEXTJS}=1 to install and build with Next.js`)
    return t.pass()
  }
  const bundler = await installBundler(t, 'nextjs')
  if (bundler === undefined) return t.pass()
  const project = copyExample(t, 'nextjs', bundler)
  const next = join(bundler, 'node_modules/next/dist/bin/next')
  await build(t, project, [next, 'build'])
  const server = spawn(process.execPath, [next, 'start', '-H', '127.0.0.1', '-p', '0'], {
    cwd: project.folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => server.kill())
  let output = ''
  for await (const text of server.stdout.setEncoding('utf8')) {
    output += text
    const url = /http:\/\/(?:127\.0\.0\.1|localhost):\d+/.exec(output)?.[0]
    if (url === undefined) continue
    const response = await fetch(`${url}/train`)
    t.is(response.status, 200, await response.clone().text())
    t.deepEqual(await response.json(), EXPECTED)
    return
  }
  t.fail(output)
})
