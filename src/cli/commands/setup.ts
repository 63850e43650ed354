import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { withCommandName } from '../../errors/command-name.js'
import {
  type CudaLicense,
  type CudaProgressOptions,
  type CudaSetupPlan,
  downloadCuda,
  exitStatus,
  planCudaSetup,
  removeCuda,
  setupCuda,
  verifyCuda,
} from '../../index.js'
import { addExamples } from '../help.js'
import { InterruptHandler } from '../interrupt.js'
import { cliError } from '../messages.js'
import { CudaProgressLine } from '../output/cuda-progress.js'
import { formatBytes } from '../output/format.js'
import { printError } from '../output/print-error.js'
import { log, print } from '../output/streams.js'
import { isInteractive } from '../output/terminal.js'
import { formatTable } from '../output/text-table.js'

/** Terms of NVIDIA for the libraries whose packages name no SPDX license. */
const NVIDIA_TERMS = [
  'https://docs.nvidia.com/cuda/eula/',
  'https://docs.nvidia.com/deeplearning/cudnn/latest/reference/eula.html',
]

interface SetupFlags {
  cuda?: true
  indexUrl?: string
  bundle?: string
  downloadOnly?: string
  platform?: string
  python: boolean
  yes?: true
  dryRun?: true
  verify?: true
  remove?: true
  json?: true
  quiet?: true
}

/** Adds `residual setup`. */
export function addSetup(program: Command): void {
  const command = program
    .command('setup')
    .description('install the CUDA libraries for training on an NVIDIA GPU')
    .option('--cuda', 'install the CUDA libraries, or with another option change them')
    .option('--yes', 'accept the licenses of PyTorch and NVIDIA without a question')
    .option('--dry-run', 'show sources, sizes and licenses, and change nothing')
    .option('--index-url <url>', 'package index or mirror. Default: the configuration of pip')
    .option('--no-python', 'do not use the libraries of an installed PyTorch')
    .option('--bundle <folder>', 'install from a folder with the wheels, without a network')
    .option('--download-only <folder>', 'download the wheels to a folder for --bundle')
    .option('--platform <name>', 'with --download-only: platform that will use the wheels')
    .option('--verify', 'compare the installed libraries with their checksums')
    .option('--remove', 'remove the installed libraries and their downloads')
    .option('--json', 'print JSON')
    .option('--quiet', 'hide progress')
    .action(run)
  addExamples(
    command,
    ['setup --cuda', 'install the CUDA libraries in the cache of this user'],
    ['setup --cuda --dry-run', 'show sizes, sources and licenses'],
    ['setup --cuda --download-only ./wheels', 'download for a machine without a network'],
    ['setup --cuda --bundle ./wheels', 'install there'],
    ['setup --cuda --verify', 'find damaged files'],
  )
}

async function run(flags: SetupFlags): Promise<void> {
  if (!flags.cuda) throw cliError.nothingToSetUp()
  const actions = [flags.verify, flags.remove, flags.dryRun ?? flags.downloadOnly]
  if (actions.filter(Boolean).length > 1) throw cliError.conflictingSetup()
  if (flags.platform !== undefined && flags.downloadOnly === undefined) {
    throw cliError.platformOfInstallation()
  }
  checkSources(flags)
  if (flags.remove) return await remove(flags)
  if (flags.verify) return await withProgress(flags, (options) => verify(flags, options))
  await install(flags)
}

/** Throws if `--bundle` or `--index-url` is combined with an option that makes it unused. */
function checkSources({ bundle, indexUrl, verify, remove, downloadOnly }: SetupFlags): void {
  const action = remove ? 'remove' : verify ? 'verify' : undefined
  const notBundle = action ?? (downloadOnly === undefined ? undefined : 'download-only')
  const notIndex = action ?? (bundle === undefined ? undefined : 'bundle')
  if (bundle !== undefined && notBundle !== undefined) {
    throw cliError.unusedSetupSource('bundle', notBundle)
  }
  if (indexUrl !== undefined && notIndex !== undefined) {
    throw cliError.unusedSetupSource('index-url', notIndex)
  }
}

async function install(flags: SetupFlags): Promise<void> {
  const { indexUrl, bundle, python, downloadOnly, platform, json } = flags
  const plan = await planCudaSetup({ indexUrl, bundle, python, downloadOnly, platform })
  const describe = () => formatPlan(plan, downloadOnly !== undefined)
  if (flags.dryRun) return await print(json ? JSON.stringify(plan) : describe())
  const needsConsent = plan.source === 'download' || plan.source === 'bundle'
  // The question refers to the licenses.
  if (needsConsent && !(flags.quiet && flags.yes)) log(`${describe()}\n`)
  if (needsConsent && !(await confirm(flags))) {
    process.exitCode = 1
    return
  }
  await withProgress(flags, async (progress) => {
    if (downloadOnly === undefined) {
      await setupCuda({ indexUrl, bundle, python, ...progress, acceptLicenses: true })
      return await print(json ? JSON.stringify(plan) : formatResult(plan))
    }
    const options = { indexUrl, platform, ...progress, acceptLicenses: true }
    const files = await downloadCuda(downloadOnly, options)
    await print(json ? JSON.stringify({ folder: plan.folder, files }) : files.join('\n'))
  })
}

async function verify({ json }: SetupFlags, options: CudaProgressOptions): Promise<void> {
  const result = await verifyCuda(options)
  if (!result.ok) process.exitCode = exitStatus.E_LIBTORCH
  if (json) return await print(JSON.stringify(result))
  const damaged = result.files.filter(({ ok }) => !ok)
  const rows = damaged.map(({ file, problem }) => [file, problem ?? ''])
  await print(
    result.ok
      ? `${result.folder}: ${result.files.length} files are unchanged`
      : `${result.folder}\n${formatTable(['file', 'problem'], rows, { left: [0, 1] })}\n\n` +
          withCommandName(
            'install the libraries again: `residual setup --cuda --remove`, then `residual setup --cuda`',
          ),
  )
}

async function remove({ json }: SetupFlags): Promise<void> {
  const folder = await removeCuda()
  if (json) return await print(JSON.stringify({ removed: folder }))
  await print(folder === null ? 'no CUDA libraries are installed' : `removed ${folder}`)
}

/** Asks on the terminal for the consent to the licenses; without a terminal, `--yes` is needed. */
async function confirm({ yes }: SetupFlags): Promise<boolean> {
  if (yes) return true
  if (!process.stdin.isTTY || !isInteractive(process.stderr)) throw cliError.licensesNotAccepted()
  const answer = await askQuestion('Accept these licenses and continue? [y/N] ')
  if (/^y(es)?$/i.test(answer.trim())) return true
  log('nothing was installed')
  return false
}

/** Returns the answer to a question on the terminal; an empty text after Ctrl-D. */
async function askQuestion(question: string): Promise<string> {
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  prompt.once('SIGINT', () => {
    prompt.close()
    log('')
    process.kill(process.pid, 'SIGINT')
  })
  // Depending on the version of Node, a question is rejected after Ctrl-D, or remains open.
  const closed = once(prompt, 'close').then(() => undefined)
  const answer = await Promise.race([prompt.question(question).catch(() => undefined), closed])
  prompt.close()
  if (answer === undefined) log('')
  return answer ?? ''
}

/** Runs a task with progress on stderr; SIGINT and SIGTERM abort it. */
async function withProgress(
  { quiet }: SetupFlags,
  task: (options: CudaProgressOptions) => Promise<void>,
): Promise<void> {
  const progress = new CudaProgressLine()
  const controller = new AbortController()
  using interrupt = new InterruptHandler((signal) => controller.abort(new Error(signal)))
  try {
    await task({ signal: controller.signal, ...(!quiet && { onProgress: progress.show }) })
  } catch (error) {
    if (interrupt.exitStatus === undefined) throw error
    printError(error)
  } finally {
    progress.end()
  }
  if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
}

function formatPlan(plan: CudaSetupPlan, isDownloadOnly: boolean): string {
  const { source, folder, from, rejected } = plan
  if (source === 'installed') return formatResult(plan)
  if (source === 'python') return `would use the CUDA libraries of PyTorch in ${plan.python}`
  const isDownload = source === 'download'
  const remaining = Math.max(0, plan.downloadBytes - plan.downloadedBytes)
  const received =
    plan.downloadedBytes > 0 ? ` of ${formatBytes(plan.downloadBytes)} (the rest is here)` : ''
  const peak = plan.installedBytes + (isDownload ? remaining : 0)
  const disk = `${formatBytes(peak)} while installing, ${formatBytes(plan.installedBytes)} afterwards`
  return [
    'CUDA libraries for libtorch',
    `  folder    ${folder}`,
    ...from.map((place, index) => `  ${index === 0 ? 'from  ' : '      '}    ${place}`),
    ...(isDownload ? [`  download  ${formatBytes(remaining)}${received}`] : []),
    `  disk      ${isDownloadOnly ? formatBytes(plan.downloadBytes) : disk}`,
    ...rejected.map((reason) => `  not used  ${reason}`),
    'Licenses',
    ...formatLicenses(plan.licenses),
    ...NVIDIA_TERMS.map((url) => `  terms     ${url}`),
    `  texts     in the wheels${isDownloadOnly ? '' : '; afterwards *.dist-info in the folder'}`,
  ].join('\n')
}

function formatLicenses(licenses: readonly CudaLicense[]): string[] {
  const names = new Map<string, string[]>()
  for (const { project, version, license } of licenses) {
    names.set(license, [...(names.get(license) ?? []), `${project} ${version}`])
  }
  return [...names].map(([license, projects]) => `  ${license}: ${projects.join(', ')}`)
}

function formatResult({ source, folder, python, overriddenBy }: CudaSetupPlan): string {
  const lines = {
    installed: `the CUDA libraries are installed in ${folder}`,
    python: `using the CUDA libraries of PyTorch in ${python}`,
    bundle: `installed the CUDA libraries in ${folder}`,
    download: `installed the CUDA libraries in ${folder}`,
  }
  const override =
    overriddenBy === null ? [] : [`${overriddenBy} is set and takes precedence: unset it`]
  const next = withCommandName('check the GPU with `residual doctor`')
  return [lines[source], ...override, next].join('\n')
}
