import { join, resolve } from 'node:path'
import type { DownloadOptions } from '../../download/fetch-file.js'
import { ResidualError } from '../../errors/errors.js'
import { torchAddon } from '../../native/addon.js'
import { type ArrayDataset, toNativeArrays } from '../../native/arguments/arrays.js'
import { serializeConfig } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import type { FindLrConfig, LrFinderResult, TrainConfig } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'
import { replaceFile } from '../../run-folder/json-files.js'
import { prepareConfig } from './prepare-config.js'

/** How the rates are tried, and where the curve goes. */
export interface FindLrOptions extends FindLrConfig, DownloadOptions {
  /** A folder for `lr-finder.svg`, `.json` and `.csv`; nothing else in it is touched. */
  out?: string | undefined
  /** Images in memory, instead of `data`. */
  arrays?: ArrayDataset | undefined
}

/** The curve's files, absolute. */
export interface FindLrFiles {
  svg: string
  json: string
  csv: string
}

/** What the range test found, and where it was written to. */
export interface FindLrResult extends LrFinderResult {
  /** Null without `out`. */
  files: FindLrFiles | null
}

/**
 * The learning rate's range test (Smith 2015): trains a fresh network with a rate that rises from
 * update to update until the loss bursts, and suggests one. Its weights are forgotten; no run
 * folder is made.
 *
 * @example
 * const { suggestion } = await findLr({ data: './photos' }, { steps: 200, out: 'plots' })
 *
 * @param config as for `train()`; budget and schedule do not matter here
 * @param options its signal ends the test after the update that it is in
 * @throws {ResidualError} as `train()` does, and `E_CONFIG` for rates out of range, `E_WRITE`;
 *   an `AbortError` once the signal is given
 */
export async function findLr(
  config: TrainConfig,
  options: FindLrOptions = {},
): Promise<FindLrResult> {
  const { json, device, download } = prepareConfig(config)
  const { out, arrays, signal, onDownload, ...range } = options
  if (out !== undefined && (typeof out !== 'string' || out === '')) {
    throw new ResidualError({
      code: 'E_CONFIG',
      message: '`out` must be a folder',
      at: { key: 'out' },
      hint: 'Leave it out to have the points alone.',
    })
  }
  const plainRange = serializeConfig(range, 'the options')
  const native = arrays && toNativeArrays(arrays)
  await download?.({ signal, onDownload })
  const addon = torchAddon(device)
  const finding = await runCancellable(signal, addon, async (cancel) =>
    unwrapResult<LrFinderResult>(await addon.findLr(json, plainRange, native, cancel)),
  )
  return { ...finding, files: out === undefined ? null : await write(resolve(out), finding) }
}

async function write(folder: string, finding: LrFinderResult): Promise<FindLrFiles> {
  const file = (extension: string) => join(folder, `lr-finder.${extension}`)
  const files = { svg: file('svg'), json: file('json'), csv: file('csv') }
  replaceFile(files.svg, await drawCurve(finding))
  replaceFile(files.json, `${JSON.stringify(finding, null, 2)}\n`)
  const rows = finding.points.map(({ lr, loss, smoothed }) => `${lr},${loss},${smoothed}\n`)
  replaceFile(files.csv, `lr,loss,smoothed\n${rows.join('')}`)
  return files
}

/** Loss against rate, as SVG. The burst at the end is cut off. */
async function drawCurve({ points, suggestions }: LrFinderResult): Promise<string> {
  const first = points[0]?.smoothed ?? 1
  const lowest = Math.min(first, ...points.map(({ smoothed }) => smoothed))
  const top = first + Math.max(first - lowest, 0.1 * Math.abs(first))
  const annotations = suggestions.map(({ lr, name }) => {
    const nearest = points.reduce((best, point) =>
      Math.abs(Math.log(point.lr / lr)) < Math.abs(Math.log(best.lr / lr)) ? point : best,
    )
    return { x: lr, y: nearest.smoothed, label: `${name}: ${lr.toPrecision(2)}` }
  })
  const shown = points.filter(({ smoothed }) => smoothed <= top)
  const { lineChart } = await import('../../charts/line-chart.js')
  return await lineChart({
    title: 'Learning rate range test',
    x: { title: 'learning rate', scale: 'log' },
    y: { title: 'smoothed training loss' },
    series: [{ name: 'loss', points: shown.map(({ lr, smoothed }) => ({ x: lr, y: smoothed })) }],
    annotations,
  })
}
