import type { Command } from 'commander'
import {
  datasets,
  downloadDataset,
  exitStatus,
  type PreviewOptions,
  previewDataset,
  verifyDataset,
} from '../../index.js'
import { applyOverride, type Draft, parseValue } from '../arguments/config-arguments.js'
import { addExamples } from '../help.js'
import { withDownloads } from '../output/download-progress.js'
import { formatCount, formatMegabytes } from '../output/format.js'
import { checkImagePath, writeImageFile } from '../output/image-file.js'
import { print } from '../output/streams.js'
import { outputWidth } from '../output/terminal.js'
import { formatTable } from '../output/text-table.js'

/** Adds `residual data` with its subcommands. */
export function addData(program: Command): void {
  const data = program.command('data').description('list, download, verify and preview data sets')
  addExamples(
    data,
    ['data list', 'list the named data sets'],
    ['data preview ./photos --out grid.png', 'draw a grid of images'],
    ['data preview ./photos --augmented', 'draw augmented training images'],
    ['data download cifar10', 'download to the cache and verify the checksums'],
  )
  data
    .command('list')
    .description('list the named data sets and whether they are downloaded')
    .option('--json', 'print JSON')
    .action(list)
  data
    .command('download')
    .description('download data sets to the cache and verify their checksums')
    .argument('<names...>', 'cifar10, cifar100, mnist, fashion-mnist')
    .option('--json', 'print each data set as JSON')
    .option('--quiet', 'hide progress')
    .action(download)
  data
    .command('verify')
    .description('verify the SHA-256 checksums of downloaded data sets')
    .argument('<names...>', 'names from `residual data list`')
    .option('--json', 'print JSON')
    .action(verify)
  data
    .command('preview')
    .description('draw a grid of images with their labels')
    .argument('<data>', 'an image folder or a named data set')
    .argument(
      '[overrides...]',
      'override any data setting: data.limit=100; with --augmented also data.imageSize=64 or transform.flip=true',
    )
    .option('--out <file>', 'output file, .png or .svg', 'data.png')
    .option('--count <count>', 'number of images')
    .option('--split <split>', 'train, val or test')
    .option('--by-class', 'show the same number of images of each class')
    .option('--seed <seed>', 'seed of the random selection of images')
    .option('--augmented', 'apply the training augmentation')
    .option('--columns <count>', 'images per row')
    .option('--title <text>', 'title above the grid')
    .option('--quiet', 'hide download progress')
    .action(preview)
}

async function list({ json }: { json?: true }): Promise<void> {
  const known = await datasets()
  if (json) return await print(JSON.stringify(known))
  const rows = known.map((dataset) => [
    dataset.name,
    formatCount(dataset.classes),
    formatCount(dataset.train),
    formatCount(dataset.test),
    `${dataset.imageSize}x${dataset.imageSize}x${dataset.channels}`,
    dataset.downloadBytes > 0 ? `${formatMegabytes(dataset.downloadBytes)} MB` : 'included',
    dataset.folder === null ? 'no' : 'yes',
  ])
  const header = ['name', 'classes', 'train', 'test', 'image size', 'download', 'available']
  const layout = { priorities: [9, 5, 6, 3, 4, 7, 8], width: outputWidth(process.stdout) }
  await print(formatTable(header, rows, layout))
}

async function download(names: string[], flags: { json?: true; quiet?: true }): Promise<void> {
  await withDownloads(flags.quiet ?? false, async (options) => {
    for (const name of names) {
      const dataset = await downloadDataset(name, options)
      await print(flags.json ? JSON.stringify(dataset) : `${name}  ${dataset.folder}`)
    }
  })
}

async function verify(names: string[], { json }: { json?: true }): Promise<void> {
  for (const name of names) {
    const result = await verifyDataset(name)
    if (!result.ok) process.exitCode = exitStatus.E_DATA_UNUSABLE
    if (json) {
      await print(JSON.stringify(result))
      continue
    }
    const rows = result.files.map(({ file, ok, actual }) => [
      file,
      ok ? 'ok' : actual === null ? 'missing or damaged' : 'checksum differs',
      actual ?? '',
    ])
    await print(`${result.folder}\n${formatTable(['file', 'status', 'SHA-256'], rows)}`)
  }
}

interface PreviewFlags {
  out: string
  count?: string
  split?: string
  byClass?: true
  seed?: string
  augmented?: true
  columns?: string
  title?: string
  quiet?: true
}

async function preview(source: string, overrides: string[], flags: PreviewFlags): Promise<void> {
  const draft: Draft = { data: { source } }
  for (const override of overrides) applyOverride(draft, override)
  const { data, ...rest } = draft
  checkImagePath(flags.out, 'out')
  const parse = (text: string | undefined) => text && parseValue(text)
  const options = {
    ...rest,
    count: parse(flags.count),
    seed: parse(flags.seed),
    columns: parse(flags.columns),
    split: flags.split,
    order: flags.byClass && 'by-class',
    augmented: flags.augmented,
    title: flags.title,
  }
  await withDownloads(flags.quiet ?? false, async (downloads) => {
    // The core validates the options.
    const grid = await previewDataset(
      data as string,
      { ...options, ...downloads } as PreviewOptions,
    )
    await writeImageFile(flags.out, grid)
    await print(flags.out)
  })
}
