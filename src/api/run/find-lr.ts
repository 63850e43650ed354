import { join, resolve } from 'node:path'
import type { DownloadOptions } from '../../download/fetch-file.js'
import { ResidualError } from '../../errors/errors.js'
import { trainingAddon } from '../../native/addon.js'
import { type ArrayDataset, toNativeArrays } from '../../native/arguments/arrays.js'
import { checkOptions } from '../../native/arguments/check-options.js'
import { serializeOptions } from '../../native/arguments/serialize-config.js'
import { runCancellable } from '../../native/cancel.js'
import type { FindLrConfig, LrFinderResult, TrainConfig } from '../../native/generated.js'
import { unwrapResult } from '../../native/native-result.js'
import { replaceFile } from '../../run-folder/json-files.js'
import { prepareConfig } from './prepare-config.js'

/** Options of `findLr()`. */
export interface FindLrOptions extends FindLrConfig, DownloadOptions {
  /** Folder for `lr-finder.svg`, `lr-finder.json` and `lr-finder.csv`. Default: write no files. */
  out?: string | undefined
  /** In-memory images instead of `data`. */
  arrays?: ArrayDataset | undefined
}

/** Absolute paths of the files that `findLr()` writes. */
export interface FindLrFiles {
  svg: string
  json: string
  csv: string
}

/** The result of `findLr()`. */
export interface FindLrResult extends LrFinderResult {
  /** Files written to `out`; null without `out`. */
  files: FindLrFiles | null
}

/**
 * Runs a learning rate range test (Smith 2015): trains a new network while increasing the learning
 * rate at every step until the loss diverges, and suggests a learning rate. The weights are
 * discarded and no run folder is created.
 *
 * @example
 * const { suggestion } = await findLr({ data: './photos' }, { steps: 200, out: 'plots' })
 *
 * @param config as for `train()`; `budget` and `schedule` are ignored
 * @param options range of learning rates, output folder and signal, which ends the test after its
 *   current step
 * @throws {ResidualError} the same errors as `train()`; `E_CONFIG` for an invalid range; `E_WRITE`;
 *   `AbortError`
 */
export async function findLr(
  config: TrainConfig,
  options: FindLrOptions = {},
): Promise<FindLrResult> {
  const { out, arrays, signal, onDownload, ...range } = options
  const { json, device, download } = prepareConfig(config, arrays !== undefined)
  if (out !== undefined && (typeof out !== 'string' || out === '')) {
    throw new ResidualError({
      code: 'E_CONFIG',
      message: '`out` must be the path of a folder',
      at: { key: 'out' },
      hint: 'Omit `out` to return the result without writing files.',
    })
  }
  const rangeJson = serializeOptions(range)
  const nativeArrays = arrays && toNativeArrays(arrays)
  checkOptions('findLr', rangeJson)
  await download?.({ signal, onDownload })
  const addon = trainingAddon(device)
  const result = await runCancellable(signal, addon, async (cancel) =>
    unwrapResult<LrFinderResult>(await addon.findLr(json, rangeJson, nativeArrays, cancel)),
  )
  return { ...result, files: out === undefined ? null : await writeFiles(resolve(out), result) }
}

async function writeFiles(folder: string, result: LrFinderResult): Promise<FindLrFiles> {
  const path = (extension: string) => join(folder, `lr-finder.${extension}`)
  const files = { svg: path('svg'), json: path('json'), csv: path('csv') }
  replaceFile(files.svg, await drawCurve(result))
  replaceFile(files.json, `${JSON.stringify(result, null, 2)}\n`)
  const rows = result.points.map(({ lr, loss, smoothed }) => `${lr},${loss},${smoothed}\n`)
  replaceFile(files.csv, `lr,loss,smoothed\n${rows.join('')}`)
  return files
}

/** Draws the loss against the learning rate as SVG, without the diverging end of the curve. */
async function drawCurve({ points, suggestions }: LrFinderResult): Promise<string> {
  const first = points[0]?.smoothed ?? 1
  const minLoss = Math.min(first, ...points.map(({ smoothed }) => smoothed))
  const maxLoss = first + Math.max(first - minLoss, 0.1 * Math.abs(first))
  const annotations = suggestions.map(({ lr, name }) => {
    const nearest = points.reduce((best, point) =>
      Math.abs(Math.log(point.lr / lr)) < Math.abs(Math.log(best.lr / lr)) ? point : best,
    )
    return { x: lr, y: nearest.smoothed, label: `${name}: ${lr.toPrecision(2)}` }
  })
  const shown = points.filter(({ smoothed }) => smoothed <= maxLoss)
  const { lineChart } = await import('../../charts/line-chart.js')
  return await lineChart({
    title: 'Learning rate range test',
    x: { title: 'learning rate', scale: 'log' },
    y: { title: 'smoothed training loss' },
    series: [{ name: 'loss', points: shown.map(({ lr, smoothed }) => ({ x: lr, y: smoothed })) }],
    annotations,
  })
}
