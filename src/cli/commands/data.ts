import type { Command } from 'commander'
import {
  datasets,
  downloadDataset,
  type PreviewOptions,
  previewDataset,
  verifyDataset,
} from '../../index.js'
import { applySetting, type Draft, readValue } from '../arguments/config-arguments.js'
import { examples } from '../help.js'
import { Interrupt } from '../interrupt.js'
import { DownloadLine, megabytes } from '../output/download-progress.js'
import { count } from '../output/format.js'
import { checkPicturePath, writePicture } from '../output/image-file.js'
import { report } from '../output/print-error.js'
import { print } from '../output/streams.js'
import { roomIn } from '../output/terminal.js'
import { table } from '../output/text-table.js'

const DATA_STATUS = 4

/** `residual data` */
export function addData(program: Command): void {
  const data = program.command('data').description('list, download, verify and look at data sets')
  examples(
    data,
    ['data list', 'the data sets that have a name'],
    ['data show ./photos --out grid.png', 'a picture of some of the images'],
    ['data show ./photos --augmented', 'the same as training sees them'],
    ['data download cifar10', 'verified, into the cache'],
  )
  data
    .command('list')
    .description('the data sets that have a name, and where they are')
    .option('--json', 'print JSON')
    .action(list)
  data
    .command('download')
    .description('download data sets, verified, into the cache')
    .argument('<names...>', 'cifar10, cifar100, mnist, fashion-mnist')
    .option('--json', 'print what is known of each, as JSON')
    .option('--quiet', 'show no progress')
    .action(download)
  data
    .command('verify')
    .description("compare a data set's files with their published checksums")
    .argument('<names...>', 'as of `residual data list`')
    .option('--json', 'print JSON')
    .action(verify)
  data
    .command('show')
    .description('draw a grid of images with their classes')
    .argument('<data>', 'a folder or a named data set')
    .argument(
      '[settings...]',
      'as of `train`: data.limit=100; for --augmented, data.imageSize=64 transform.flip=true, too',
    )
    .option('--out <file>', 'a .png or .svg file', 'data.png')
    .option('--count <count>', 'how many images')
    .option('--part <part>', 'train, val or test')
    .option('--by-class', 'as many of each class')
    .option('--seed <seed>', 'chooses other images')
    .option('--augmented', 'as training sees them')
    .option('--columns <count>', 'images in a row')
    .option('--title <text>', 'a heading')
    .option('--quiet', 'show no progress of a download')
    .action(show)
}

async function list({ json }: { json?: true }): Promise<void> {
  const sets = await datasets()
  if (json) return await print(JSON.stringify(sets))
  const rows = sets.map((set) => [
    set.name,
    count(set.classes),
    count(set.train),
    count(set.test),
    `${set.imageSize}x${set.imageSize}x${set.channels}`,
    set.downloadBytes > 0 ? `${megabytes(set.downloadBytes)} MB` : 'embedded',
    set.folder === null ? 'no' : 'yes',
  ])
  const heading = ['name', 'classes', 'training', 'test', 'images', 'download', 'here']
  const layout = { worth: [9, 5, 6, 3, 4, 7, 8], room: roomIn(process.stdout) }
  await print(table(heading, rows, layout))
}

async function download(names: string[], flags: { json?: true; quiet?: true }): Promise<void> {
  await downloading(flags.quiet ?? false, async (options) => {
    for (const name of names) {
      const set = await downloadDataset(name, options)
      await print(flags.json ? JSON.stringify(set) : `${name}  ${set.folder}`)
    }
  })
}

async function verify(names: string[], { json }: { json?: true }): Promise<void> {
  for (const name of names) {
    const found = await verifyDataset(name)
    if (!found.ok) process.exitCode = DATA_STATUS
    if (json) {
      await print(JSON.stringify(found))
      continue
    }
    const rows = found.files.map(({ file, ok, actual }) => [
      file,
      ok ? 'ok' : actual === null ? 'missing or damaged' : 'DIFFERENT',
      actual ?? '',
    ])
    await print(`${found.folder}\n${table(['file', '', 'SHA-256'], rows)}`)
  }
}

interface ShowFlags {
  out: string
  count?: string
  part?: string
  byClass?: true
  seed?: string
  augmented?: true
  columns?: string
  title?: string
  quiet?: true
}

async function show(source: string, settings: string[], flags: ShowFlags): Promise<void> {
  const draft: Draft = { data: { source } }
  for (const setting of settings) applySetting(draft, setting)
  const { data, ...rest } = draft
  checkPicturePath(flags.out, 'out')
  const number = (text: string | undefined) => text && readValue(text)
  const options = {
    ...rest,
    count: number(flags.count),
    seed: number(flags.seed),
    columns: number(flags.columns),
    part: flags.part,
    order: flags.byClass && 'by-class',
    augmented: flags.augmented,
    title: flags.title,
  }
  await downloading(flags.quiet ?? false, async (downloads) => {
    // What the user typed; the core checks it.
    const picture = await previewDataset(
      data as string,
      { ...options, ...downloads } as PreviewOptions,
    )
    await writePicture(flags.out, picture)
    await print(flags.out)
  })
}

/** Does what may download, with its progress on stderr; a signal ends it, what has come is kept. */
export async function downloading(
  quiet: boolean,
  work: (options: Pick<PreviewOptions, 'signal' | 'onDownload'>) => Promise<void>,
): Promise<void> {
  const line = new DownloadLine()
  const controller = new AbortController()
  using interrupt = new Interrupt((signal) => controller.abort(new Error(signal)))
  try {
    await work({ signal: controller.signal, ...(!quiet && { onDownload: line.show }) })
  } catch (error) {
    if (interrupt.exitStatus === undefined) throw error
    report(error)
  } finally {
    line.end()
  }
  if (interrupt.exitStatus !== undefined) process.exitCode = interrupt.exitStatus
}
