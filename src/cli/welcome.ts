import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { commandName, withCommandName } from '../errors/command-name.js'
import { shellQuote } from '../errors/shell-quote.js'
import { type Example, formatExamples } from './help.js'
import { styled } from './output/colors.js'
import { outputWidth, wrapLines } from './output/terminal.js'

/** Limits that keep the search for images and runs fast in a large folder. */
const [MAX_FOLDERS, MAX_ENTRIES] = [60, 200]

const IMAGE_EXTENSION = /\.(jpe?g|png)$/i
const SPLITS = ['train', 'val', 'test']

/**
 * Formats the output of `residual` without arguments: suggested commands for a folder.
 *
 * @param commandNames names of the available commands
 */
export function formatWelcome(commandNames: readonly string[], folder = '.'): string {
  const suggestions = suggestCommands(folder).filter(([command]) =>
    commandNames.includes(command.split(' ')[1] ?? ''),
  )
  const { stdout } = process
  const text = [
    `${styled(stdout, 'bold', 'residual')} trains residual networks (ResNet) for image classification.`,
    '',
    `${styled(stdout, 'bold', 'Get started:')}`,
    formatExamples(
      suggestions.map(([command, purpose]) => [
        command.replace(/^residual/, commandName()),
        purpose,
      ]),
    ),
    '',
    withCommandName('Run `residual --help` for all commands.'),
  ].join('\n')
  return wrapLines(text, outputWidth(stdout))
}

/** Suggests command lines for the runs and images in a folder. */
function suggestCommands(folder: string): Example[] {
  const run = findLatestRun(join(folder, 'runs'))
  const images = findImageFolder(folder)
  // Without a slash, the name would refer to a named data set.
  const photos = images && shellQuote(/^[./]/.test(images) ? images : `./${images}`)
  const suggestions: Example[] = []
  if (run?.unfinished) {
    suggestions.push([`residual train --resume ${run.path}`, 'resume the interrupted run'])
  }
  if (run?.trained) {
    suggestions.push(
      [`residual report ${run.path}`, 'write an HTML report'],
      [`residual eval ${run.path}`, 'measure accuracy per class'],
      [`residual predict ${run.path} IMAGE`, 'classify an image'],
    )
  }
  if (photos !== undefined) {
    suggestions.push(
      [
        `residual train ${photos}`,
        run?.trained ? 'train another network' : 'train on these images',
      ],
      [`residual train ${photos} --dry-run`, 'estimate time and memory first'],
    )
  } else if (run === undefined) {
    suggestions.push(
      ['residual train ./photos', 'train on images, a folder per class'],
      ['residual train fashion-mnist-mini', 'train on the included data set'],
    )
  }
  suggestions.push(['residual doctor', 'check this machine'])
  return suggestions
}

/** Finds the first folder that has a subfolder of images for each of at least two classes. */
function findImageFolder(folder: string): string | undefined {
  return listFolders(folder)
    .filter((path) => !/^(runs|node_modules|\.)/.test(relative(folder, path)))
    .find((path) => {
      const subfolders = listFolders(path)
      const train = subfolders.find((split) => SPLITS.includes(relative(path, split)))
      const classes = train === undefined ? subfolders : listFolders(train)
      return (
        classes.filter((name) => listNames(name).some((file) => IMAGE_EXTENSION.test(file)))
          .length >= 2
      )
    })
}

/** Finds `runs/latest`, or else the run that was modified last. */
function findLatestRun(runs: string) {
  const latest = join(runs, 'latest')
  const found = listFolders(runs)
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

function listFolders(path: string): string[] {
  return listNames(path)
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

/** Lists up to `MAX_ENTRIES` names in a folder, sorted; empty if the folder cannot be read. */
function listNames(path: string): string[] {
  try {
    return readdirSync(path).slice(0, MAX_ENTRIES).sort()
  } catch {
    return []
  }
}
