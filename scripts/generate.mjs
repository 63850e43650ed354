import { spawnSync } from 'node:child_process'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'
import { importFromPackage, orderByTopic } from './api/declaration-file.mjs'
import { readDeclarations } from './api/declarations.mjs'
import { readCodes, writeErrors } from './api/errors.mjs'
import { writePages } from './api/markdown.mjs'
import { TARGET } from './build.mjs'
import { ROOT, runScript } from './setup.mjs'

/** Folder of the generated files before they are compared with the committed ones. */
const STAGING = join(ROOT, 'target', 'generate')

const check = process.argv.includes('--check')

/**
 * Generates committed files: TypeScript types and JSON Schema of configuration and events from the
 * types of the Rust core; index.d.ts, electron.d.ts and docs/api from src; docs/errors.md from both. With `--check`,
 * changes no file and fails if a file is outdated.
 */
async function generate() {
  await mkdir(STAGING, { recursive: true })
  step('cargo', [
    // As the addon and the tests are built, so that nothing is compiled twice.
    ...['run', '--quiet', '--release', '--target', TARGET, '--bin', 'residual-codegen'],
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
  const parsed = await readDeclarations(await rollUp('index'), join(STAGING, 'api'))
  const electron = importFromPackage(
    await readDeclarations(await rollUp('electron/index', 'None'), join(STAGING, 'api-electron')),
    parsed.declarations,
  )
  const declarations = [
    await put('index.d.ts', orderByTopic(parsed)),
    await put('electron.d.ts', orderByTopic(electron)),
  ].every(Boolean)
  const reference = await putReference({
    about: parsed.about,
    declarations: new Map([...parsed.declarations, ...electron.declarations]),
  })
  const errors = await put('docs/errors.md', writeErrors(await readCodes(STAGING)))
  if (check && !(core.every(Boolean) && declarations && reference && errors)) {
    throw new Error('generated files are outdated; run `npm run generate`')
  }
}

/**
 * Combines the declarations of an entry point into one file and returns its content.
 *
 * @param {string} entry module in src, without its extension
 * @param {'Error' | 'None'} [forgottenExport] report of a type that is mentioned but not exported
 */
async function rollUp(entry, forgottenExport = 'Error') {
  const path = join(STAGING, `${entry.replace('/', '-')}.d.ts`)
  const { succeeded } = Extractor.invoke(
    ExtractorConfig.prepare({
      configObjectFullPath: undefined,
      packageJsonFullPath: join(ROOT, 'package.json'),
      configObject: {
        projectFolder: ROOT,
        mainEntryPointFilePath: join(STAGING, 'types', `${entry}.d.ts`),
        compiler: { tsconfigFilePath: join(ROOT, 'tsconfig.json') },
        dtsRollup: { enabled: true, untrimmedFilePath: path },
        messages: {
          extractorMessageReporting: {
            'ae-forgotten-export': { logLevel: ExtractorLogLevel[forgottenExport] },
          },
        },
        newlineKind: 'lf',
      },
    }),
    {
      localBuild: true,
      messageCallback(message) {
        // api-extractor announces its own TypeScript version at every start.
        if (message.messageId === 'console-preamble') message.handled = true
      },
    },
  )
  if (!succeeded) throw new Error('api-extractor failed')
  return await readFile(path, 'utf8')
}

/**
 * Updates docs/api, which contains only generated pages.
 *
 * @param {Pick<Awaited<ReturnType<typeof readDeclarations>>, 'about' | 'declarations'>} parsed
 * @returns {Promise<boolean>} whether it was up to date
 */
async function putReference({ about, declarations }) {
  const pages = writePages(about, declarations)
  await mkdir(join(ROOT, 'docs', 'api'), { recursive: true })
  let isFresh = true
  for (const [name, text] of pages) {
    isFresh = (await put(`docs/api/${name}`, text)) && isFresh
  }
  for (const name of await readdir(join(ROOT, 'docs', 'api'))) {
    if (pages.has(name)) continue
    isFresh = false
    process.stdout.write(`docs/api/${name} is no longer generated\n`)
    if (!check) await rm(join(ROOT, 'docs', 'api', name))
  }
  return isFresh
}

/**
 * Returns a generated file after formatting.
 *
 * @param {string} name
 */
async function formatted(name) {
  const input = await readFile(join(STAGING, name), 'utf8')
  return step('node_modules/.bin/biome', ['format', `--stdin-file-path=${name}`], input)
}

/**
 * Updates a file or, with `--check`, prints the difference.
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
    process.stdout.write(`${path} updated\n`)
  }
  return false
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} [input]
 * @returns {string} stdout
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
