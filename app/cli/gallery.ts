import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  encodePng,
  type ModelInfo,
  type PredictConfig,
  type Prediction,
  type Thumbnail,
} from '../../bindings/ts/index.js'
import { refusal } from './messages.js'
import { count, percent } from './units.js'

/** Pixels of a picture's longer side. */
const SIDE = 160
/** Pictures on a page; further images have their answers there, without a picture. */
const MOST_PICTURES = 250

/** A page with predictions and the pictures that they are of, in one file that needs no network. */
export class Gallery {
  readonly #file: string
  readonly #model: Readonly<ModelInfo>
  readonly #figures: string[] = []

  constructor(file: string, model: Readonly<ModelInfo>) {
    this.#file = file
    this.#model = model
  }

  /** How the model is to be asked, so that the pictures come with the answers. */
  ask(config: PredictConfig): PredictConfig {
    return this.#figures.length < MOST_PICTURES ? { ...config, thumbnails: SIDE } : config
  }

  add(name: string, { top }: Pick<Prediction, 'top'>, thumbnail: Thumbnail | undefined): void {
    const picture = thumbnail === undefined ? '' : image(thumbnail, name)
    const rows = top.map(
      ({ label, probability }) =>
        `<li><span dir="auto">${escapeHtml(label)}</span><b>${percent(probability)}</b>` +
        `<meter value="${probability.toFixed(4)}" aria-label="${escapeHtml(label)}"></meter></li>`,
    )
    this.#figures.push(
      `<figure>${picture}<figcaption dir="auto">${escapeHtml(name)}</figcaption>` +
        `<ol>${rows.join('')}</ol></figure>`,
    )
  }

  /**
   * Writes the page.
   *
   * @returns its path, absolute
   * @throws {ResidualError} `E_WRITE`
   */
  async write(): Promise<string> {
    const file = resolve(this.#file)
    try {
      await writeFile(file, this.#page())
    } catch (cause) {
      throw refusal.unwritable(this.#file, cause)
    }
    return file
  }

  #page(): string {
    const { arch, classes, checkpoint } = this.#model
    const title = `${count(this.#figures.length)} predictions`
    const about = `${arch}, ${count(classes.length)} classes, ${checkpoint}`
    return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${title}</h1><p>${escapeHtml(about)}</p></header>
<main>
${this.#figures.join('\n')}
</main>
</body>
</html>
`
  }
}

function image({ width, height, channels, base64 }: Thumbnail, name: string): string {
  const pixels = {
    data: Buffer.from(base64, 'base64'),
    width,
    height,
    channels: channels === 1 ? (1 as const) : (3 as const),
  }
  const png = encodePng(pixels).toString('base64')
  // A small image is enlarged in whole squares, not blurred.
  const sharp = Math.max(width, height) < SIDE ? ' class="small"' : ''
  return `<img src="data:image/png;base64,${png}" alt="${escapeHtml(name)}"${sharp} loading="lazy">`
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** A text as it may stand in HTML, as content or in an attribute. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c1e21; --faint: #5c6370; --page: #fff; --edge: #d8dce2 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --faint: #a0a7b2; --page: #15181c; --edge: #343a42 }
}
body { margin: 0 auto; max-width: 80rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 15px/1.4 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 } p { margin: 0; color: var(--faint); overflow-wrap: anywhere }
main { display: grid; gap: 1rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)) }
figure { margin: 0; padding: .6rem; border: 1px solid var(--edge); border-radius: .5rem;
  break-inside: avoid }
img { display: block; margin: 0 auto; max-width: 100%; width: 160px; height: 160px;
  object-fit: contain }
img.small { image-rendering: pixelated }
figcaption { color: var(--faint); font-size: .8rem; overflow-wrap: anywhere; margin-top: .4rem }
ol { list-style: none; margin: .2rem 0 0; padding: 0 }
li { display: grid; grid-template-columns: 1fr auto; gap: 0 .5rem }
li b { font-variant-numeric: tabular-nums } li:not(:first-child) b { font-weight: normal }
span { overflow-wrap: anywhere } meter { grid-column: 1 / -1; width: 100%; height: .6rem }
`
