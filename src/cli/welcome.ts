import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { type Example, laidOut } from './help.js'
import { paint } from './output/colors.js'

/** Folders that are looked into, and entries of each: a home folder must not take long. */
const [MOST_FOLDERS, MOST_ENTRIES] = [60, 200]

const IMAGE = /\.(jpe?g|png)$/i
const PARTS = ['train', 'val', 'test']

/** What there is to do next, in this folder: `residual` without arguments. */
export function welcome(verbs: readonly string[], folder = '.'): string {
  const steps = next(folder).filter(([command]) => verbs.includes(command.split(' ')[1] ?? ''))
  const { stdout } = process
  return [
    `${paint(stdout, 'bold', 'residual')} trains residual networks on images.`,
    '',
    `${paint(stdout, 'bold', 'Next')}`,
    laidOut(steps),
    '',
    'residual --help lists all commands.',
  ].join('\n')
}

function next(folder: string): Example[] {
  const run = latestRun(join(folder, 'runs'))
  const found = imageFolder(folder)
  // A bare word would be the name of a data set.
  const photos = found && typed(/^[./]/.test(found) ? found : `./${found}`)
  const steps: Example[] = []
  if (run?.unfinished) {
    steps.push([`residual train --resume ${run.path}`, 'go on with the run that was stopped'])
  }
  if (run?.trained) {
    steps.push(
      [`residual report ${run.path}`, 'what was learnt, as a page'],
      [`residual eval ${run.path}`, 'how good it is, and what it confuses'],
      [`residual predict ${run.path} IMAGE`, 'what is on an image'],
    )
  }
  if (photos !== undefined) {
    steps.push(
      [`residual train ${photos}`, run?.trained ? 'train anew' : 'train on these pictures'],
      [`residual train ${photos} --dry-run`, 'what that would do, and for how long'],
    )
  } else if (run === undefined) {
    steps.push(
      ['residual train ./photos', 'a folder in it for each class'],
      ['residual train fashion-mnist-mini', 'no pictures needed: 12,000 come along'],
    )
  }
  steps.push(['residual doctor', 'whether all is well on this machine'])
  return steps
}

/** The first folder here that holds a folder of images for each of two classes or more. */
function imageFolder(here: string): string | undefined {
  return folders(here)
    .filter((path) => !/^(runs|node_modules|\.)/.test(relative(here, path)))
    .find((path) => {
      const inside = folders(path)
      const train = inside.find((part) => PARTS.includes(relative(path, part)))
      const classes = train === undefined ? inside : folders(train)
      return classes.filter((name) => entries(name).some((file) => IMAGE.test(file))).length >= 2
    })
}

/** What is known of the run that was written to last. */
function latestRun(runs: string) {
  const linked = join(runs, 'latest')
  const found = folders(runs)
    .filter((path) => existsSync(join(path, 'config.json')))
    .map((path) => ({ path, at: changed(path) }))
    .sort((a, b) => b.at - a.at || Number(b.path === linked) - Number(a.path === linked))
  const path = existsSync(join(linked, 'config.json')) ? linked : found[0]?.path
  if (path === undefined) return undefined
  const trained = existsSync(join(path, 'checkpoints', 'last.safetensors'))
  return { path: typed(path), trained, unfinished: trained && !isFinished(path) }
}

function isFinished(run: string): boolean {
  try {
    return JSON.parse(readFileSync(join(run, 'result.json'), 'utf8')).stopReason !== 'stopped'
  } catch {
    return false
  }
}

function changed(run: string): number {
  const file = statSync(join(run, 'metrics.jsonl'), { throwIfNoEntry: false })
  return file?.mtimeMs ?? 0
}

function folders(path: string): string[] {
  return entries(path)
    .map((name) => join(path, name))
    .filter(isFolder)
    .slice(0, MOST_FOLDERS)
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** The first names in a folder, in order; none of one that cannot be read. */
function entries(path: string): string[] {
  try {
    return readdirSync(path).slice(0, MOST_ENTRIES).sort()
  } catch {
    return []
  }
}

/** As a shell reads it. */
function typed(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
