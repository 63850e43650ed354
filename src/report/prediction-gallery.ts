import type { Pixels } from '../native/arguments/image.js'
import type { ModelInfo, Prediction } from '../native/generated.js'
import { formatCount, formatPercent } from './html/format.js'
import { type Html, html, isolate } from './html/html.js'
import { renderPage } from './html/page.js'
import { numericColumns, table } from './html/table.js'
import { breakablePath, renderImage } from './sections/example-images.js'

/** A prediction with the name of its image. */
export interface NamedPrediction {
  /** Usually the path of the image file. */
  name: string
  /** Needs a `thumbnail` for the page to show the image. */
  prediction: Prediction
}

/**
 * Renders predictions as a self-contained HTML page (`residual predict --html`). Images are shown
 * where predictions have thumbnails.
 *
 * @example
 * await using model = await loadModel('runs/latest')
 * const prediction = await model.predict('cat.jpg', { thumbnails: 160 })
 * await writeFile('cat.html', renderPredictionGallery([{ name: 'cat.jpg', prediction }],
 * model.info))
 *
 * @param predictions in the order in which they are shown
 * @param model the predicting model's `model.info`
 * @returns HTML
 */
export function renderPredictionGallery(
  predictions: readonly NamedPrediction[],
  model: Readonly<ModelInfo>,
): string {
  const { length } = predictions
  const title = length === 1 ? '1 prediction' : `${formatCount(length)} predictions`
  const folder = commonFolder(predictions.map(({ name }) => name))
  const lead = html`<p class="lead">Predictions of ${model.arch} with
${formatCount(model.classes.length)} classes. Percentages are confidences.</p>`
  const items = predictions.map((prediction) => renderItem(prediction, folder))
  return renderPage(
    title,
    lead,
    [
      { id: 'images', title: 'Images', content: html`<ul class="pictures">${items}</ul>` },
      {
        id: 'classes',
        title: 'Images per predicted class',
        content: renderClassCounts(predictions),
      },
    ],
    html`<p>Checkpoint: <span class="file">${model.checkpoint}</span></p>`,
  )
}

function renderItem({ name: file, prediction }: NamedPrediction, folder: string): Html {
  const { label, probability, top, thumbnail } = prediction
  const confidence = formatPercent(probability)
  const image = thumbnail && renderImage(toPixels(thumbnail), `${file}: ${label}, ${confidence}`)
  const others = top
    .slice(1)
    .map(
      ({ label, probability }) =>
        html`<span class="file">${isolate(label)} ${formatPercent(probability)}</span>\n`,
    )
  return html`<li>${image}<span class="label">${isolate(label)}</span>
<span>${confidence}</span>
${others}<span class="file"><bdi>${breakablePath(file.slice(folder.length))}</bdi></span></li>\n`
}

/**
 * Returns the deepest folder that contains all files, with a trailing separator. The page shows
 * file names relative to it.
 */
function commonFolder(files: readonly string[]): string {
  const [first = '', ...others] = files
  const parts = first.split(/(?<=[\\/])/).slice(0, -1)
  while (parts.length > 0 && !others.every((file) => file.startsWith(parts.join('')))) parts.pop()
  return parts.join('')
}

/** Renders the number of images by predicted class, most frequent first. */
function renderClassCounts(predictions: readonly NamedPrediction[]): Html {
  const counts = new Map<string, number>()
  for (const { prediction } of predictions) {
    counts.set(prediction.label, (counts.get(prediction.label) ?? 0) + 1)
  }
  return table(
    'Images per predicted class',
    numericColumns('predicted class', ['images']),
    [...counts]
      .sort(([, a], [, b]) => b - a)
      .map(([label, images]) => [isolate(label), formatCount(images)]),
  )
}

function toPixels({ width, height, channels, base64 }: NonNullable<Prediction['thumbnail']>) {
  return { data: Buffer.from(base64, 'base64'), width, height, channels } as Pixels
}
