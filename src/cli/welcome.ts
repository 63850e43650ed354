import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type Example, formatExamples } from './help.js'
import { styled } from './output/colors.js'

/** Limits of the search for images and runs, which keep it fast in a home folder. */
const [MAX_FOLDERS, MAX_ENTRIES] = [60, 200]

const IMAGE = /\.(jpe?g|png)$/i
const SPLITS = ['train', 'val', 'test']

/**
 * Formats the output of `residual` without arguments: commands that make sense in this folder.
 *
 * @param verbs names of the available commands
 */
export function formatWelcome(verbs: readonly string[], folder = '.'): string {
  const steps = suggestCommands(folder).filter(([command]) =>
    verbs.includes(command.split(' ')[1] ?? ''),
  )
  const { stdout } = process
  return [
    `${styled(stdout, 'bold', 'residual')} trains residual networks (ResNet) for image classification.`,
    '',
    `${styled(stdout, 'bold', 'Get started:')}`,
    formatExamples(steps),
    '',
    'Run `residual --help` for all commands.',
  ].join('\n')
}

/** Suggests command lines for the runs and images in a folder. */
function suggestCommands(folder: string): Example[] {
  const run = latestRun(join(folder, 'runs'))
  const found = imageFolder(folder)
  // Without a slash, the name would refer to a named data set.
  const photos = found && shellQuote(/^[./]/.test(found) ? found : `./${found}`)
  const steps: Example[] = []
  if (run?.unfinished) {
    steps.push([`residual train --resume ${run.path}`, 'resume the interrupted run'])
  }
  if (run?.trained) {
    steps.push(
      [`residual report ${run.path}`, 'write an HTML report'],
      [`residual eval ${run.path}`, 'measure accuracy per class'],
      [`residual predict ${run.path} IMAGE`, 'classify an image'],
    )
  }
  if (photos !== undefined) {
    steps.push(
      [
        `residual train ${photos}`,
        run?.trained ? 'train another network' : 'train on these images',
      ],
      [`residual train ${photos} --dry-run`, 'estimate time and memory first'],
    )
  } else if (run === undefined) {
    steps.push(
      ['residual train ./photos', 'train on images, one subfolder per class'],
      ['residual train fashion-mnist-mini', 'train on the included data set'],
    )
  }
  steps.push(['residual doctor', 'check this machine'])
  return steps
}

/** Finds the first folder that has a subfolder of images for each of at least two classes. */
function imageFolder(here: string): string | undefined {
  return folders(here)
    .filter((path) => !/^(runs|node_modules|\.)/.test(relative(here, path)))
    .find((path) => {
      const inside = folders(path)
      const train = inside.find((split) => SPLITS.includes(relative(path, split)))
      const classes = train === undefined ? inside : folders(train)
      return classes.filter((name) => entries(name).some((file) => IMAGE.test(file))).length >= 2
    })
}

/** Finds the run that was modified last. */
function latestRun(runs: string) {
  const latest = join(runs, 'latest')
  const found = folders(runs)
    .filter((path) => existsSync(join(path, 'config.json')))
    .map((path) => ({ path, modifiedAt: modifiedAt(path) }))
    .sort(
      (a, b) =>
        b.modifiedAt - a.modifiedAt || Number(b.path === latest) - Number(a.path === latest),
    )
  const path = existsSync(join(latest, 'config.json')) ? latest : found[0]?.path
  if (path === undefined) return undefined
  const trained = existsSync(join(path, 'checkpoints', 'last.safetensors'))
  return { path: shellQuote(path), trained, unfinished: trained && !isFinished(path) }
}

function isFinished(run: string): boolean {
  try {
    return JSON.parse(readFileSync(join(run, 'result.json'), 'utf8')).stopReason !== 'stopped'
  } catch {
    return false
  }
}

function modifiedAt(run: string): number {
  const file = statSync(join(run, 'metrics.jsonl'), { throwIfNoEntry: false })
  return file?.mtimeMs ?? 0
}

function folders(path: string): string[] {
  return entries(path)
    .map((name) => join(path, name))
    .filter(isFolder)
    .slice(0, MAX_FOLDERS)
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** Lists the first names in a folder, sorted; none if it cannot be read. */
function entries(path: string): string[] {
  try {
    return readdirSync(path).slice(0, MAX_ENTRIES).sort()
  } catch {
    return []
  }
}

/** Quotes a path for a shell. */
function shellQuote(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
