import type { Pixels } from '../native/arguments/image.js'
import type { ModelInfo, Prediction } from '../native/generated.js'
import { count, percent } from './html/format.js'
import { type Html, html, name } from './html/html.js'
import { page } from './html/page.js'
import { image, steps } from './sections/example-images.js'

/** What a network said of an image. */
export interface NamedPrediction {
  /** What the image is called: its file. */
  name: string
  /** With a thumbnail, if its picture is to be shown. */
  prediction: Prediction
}

/**
 * A page with predictions and the pictures that they are of (`residual predict --html`): one file
 * that needs no network, as the report is. Pictures are there where predictions have thumbnails.
 *
 * @example
 * await using model = await loadModel('runs/latest')
 * const prediction = await model.predict('cat.jpg', { thumbnails: 160 })
 * await writeFile('cat.html', renderPredictionGallery([{ name: 'cat.jpg', prediction }], model.info))
 *
 * @param answers what is to be shown, in this order
 * @param model whose answers they are: `model.info`
 * @returns HTML
 */
export function renderPredictionGallery(
  answers: readonly NamedPrediction[],
  model: Readonly<ModelInfo>,
): string {
  const title = answers.length === 1 ? '1 prediction' : `${count(answers.length)} predictions`
  const folder = commonFolder(answers.map((answer) => answer.name))
  const lead = html`<p class="lead">What a ${model.arch} that knows ${count(model.classes.length)}
classes takes each image for, and how surely.</p>`
  return page(
    title,
    lead,
    [
      {
        id: 'pictures',
        title: 'Images',
        content: html`<ul class="pictures">${answers.map((answer) => item(answer, folder))}</ul>`,
      },
      { id: 'classes', title: 'Classes', content: classes(answers) },
    ],
    html`<p>The network: <span class="file">${model.checkpoint}</span></p>`,
  )
}

function item({ name: file, prediction }: NamedPrediction, folder: string): Html {
  const { label, probability, top, thumbnail } = prediction
  const sure = percent(probability)
  const picture = thumbnail && image(toPixels(thumbnail), `${file}: ${label}, ${sure}`)
  const others = top
    .slice(1)
    .map(
      ({ label, probability }) =>
        html`<span class="file">${name(label)} ${percent(probability)}</span>\n`,
    )
  return html`<li>${picture}<span class="label">${name(label)}</span>
<span>${sure}</span>
${others}<span class="file"><bdi>${steps(file.slice(folder.length))}</bdi></span></li>\n`
}

/** The folder that all are in, with its last slash: what tells nothing of one image. */
function commonFolder(files: readonly string[]): string {
  const [first = '', ...others] = files
  const parts = first.split(/(?<=[\\/])/).slice(0, -1)
  while (parts.length > 0 && !others.every((file) => file.startsWith(parts.join('')))) parts.pop()
  return parts.join('')
}

/** How many images were taken for each class, the most frequent first. */
function classes(answers: readonly NamedPrediction[]): Html {
  const counts = new Map<string, number>()
  for (const { prediction } of answers) {
    counts.set(prediction.label, (counts.get(prediction.label) ?? 0) + 1)
  }
  const rows = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(
      ([label, images]) => html`<tr><th scope="row">${name(label)}</th>
<td class="number">${count(images)}</td></tr>\n`,
    )
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">taken for</th><th scope="col" class="number">images</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
}

function toPixels({ width, height, channels, base64 }: NonNullable<Prediction['thumbnail']>) {
  return { data: Buffer.from(base64, 'base64'), width, height, channels } as Pixels
}
