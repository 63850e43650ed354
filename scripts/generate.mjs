import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'
import { readDeclarations } from './api/declarations.mjs'
import { readCodes, writeErrors } from './api/errors.mjs'
import { writePages } from './api/markdown.mjs'
import { ROOT, runScript } from './setup.mjs'

/** Where things are made, to be compared with what is there. */
const STAGING = join(ROOT, 'target', 'generate')

const check = process.argv.includes('--check')

/**
 * Makes what is under version control and yet not written by hand. From the core's types: those of
 * the configuration and the events, in TypeScript and as a JSON Schema. From src: the
 * declarations of all that is public, in one file, and from these the API reference. From both: what
 * there is to say of each error code. With `--check` nothing is changed, and the status tells whether
 * anything would be.
 */
async function generate() {
  await mkdir(STAGING, { recursive: true })
  step('cargo', [
    ...['run', '--quiet', '--release', '--package', 'residual-codegen'],
    ...['--', STAGING],
  ])
  const core = await Promise.all([
    put('src/native/generated.ts', await formatted('generated.ts')),
    put('config.schema.json', await formatted('config.schema.json')),
  ])
  step('node_modules/.bin/tsc', [
    ...['--project', 'tsconfig.json', '--outDir', join(STAGING, 'types')],
    '--stripInternal',
  ])
  const rolledUp = await rollUp()
  const declarations = await put('index.d.ts', rolledUp)
  const reference = await putReference(rolledUp)
  const errors = await put('docs/errors.md', writeErrors(await readCodes(STAGING)))
  if (check && !(core.every(Boolean) && declarations && reference && errors)) {
    throw new Error('generated files are not what they are made from; run `npm run generate`')
  }
}

/** The declarations behind src/index.ts as one file that stands alone. */
async function rollUp() {
  const path = join(STAGING, 'index.d.ts')
  const { succeeded } = Extractor.invoke(
    ExtractorConfig.prepare({
      configObjectFullPath: undefined,
      packageJsonFullPath: join(ROOT, 'package.json'),
      configObject: {
        projectFolder: ROOT,
        mainEntryPointFilePath: join(STAGING, 'types', 'index.d.ts'),
        compiler: { tsconfigFilePath: join(ROOT, 'tsconfig.json') },
        dtsRollup: { enabled: true, untrimmedFilePath: path },
        messages: {
          extractorMessageReporting: {
            'ae-forgotten-export': { logLevel: ExtractorLogLevel.Error },
          },
        },
        newlineKind: 'lf',
      },
    }),
    {
      localBuild: true,
      messageCallback(message) {
        // It brings a TypeScript of its own, and would say so every time.
        if (message.messageId === 'console-preamble') message.handled = true
      },
    },
  )
  if (!succeeded) throw new Error('the declarations could not be rolled up')
  return await readFile(path, 'utf8')
}

/**
 * Brings docs/api up to date: nothing else lies there.
 *
 * @param {string} rolledUp the declarations of all that is public
 * @returns {Promise<boolean>} whether it was up to date
 */
async function putReference(rolledUp) {
  const { about, declarations } = await readDeclarations(rolledUp, join(STAGING, 'api'))
  const pages = writePages(about, declarations)
  await mkdir(join(ROOT, 'docs', 'api'), { recursive: true })
  let isFresh = true
  for (const [name, text] of pages) {
    isFresh = (await put(`docs/api/${name}`, text)) && isFresh
  }
  for (const name of await readdir(join(ROOT, 'docs', 'api'))) {
    if (pages.has(name)) continue
    isFresh = false
    process.stdout.write(`docs/api/${name} is made by nothing any more\n`)
    if (!check) await rm(join(ROOT, 'docs', 'api', name))
  }
  return isFresh
}

/**
 * What was made, formatted as the file in the repository is.
 *
 * @param {string} name
 */
async function formatted(name) {
  const input = await readFile(join(STAGING, name), 'utf8')
  return step('node_modules/.bin/biome', ['format', `--stdin-file-path=${name}`], input)
}

/**
 * Brings a file up to date or, if only checking, shows how it differs.
 *
 * @param {string} path
 * @param {string} text
 * @returns {Promise<boolean>} whether it was up to date
 */
async function put(path, text) {
  const target = join(ROOT, path)
  const present = await readFile(target, 'utf8').catch(() => '')
  if (present === text) return true
  if (check) {
    const args = ['diff', '--no-index', '--no-color', '--', target, '-']
    process.stdout.write(spawnSync('git', args, { input: text, encoding: 'utf8' }).stdout)
  } else {
    await writeFile(target, text)
    process.stdout.write(`${path} is new\n`)
  }
  return false
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} [input]
 * @returns {string} what it printed
 */
function step(command, args, input = '') {
  const { status, stdout } = spawnSync(command, args, {
    cwd: ROOT,
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`${command} failed (exit status ${status}):\n${stdout}`)
  return stdout
}

await runScript(import.meta.url, generate)
