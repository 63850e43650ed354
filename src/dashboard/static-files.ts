import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PAGE_ROOT, require } from '../native/platform.js'

/** A file of the page. */
export interface PageFile {
  type: string
  read: () => Promise<Buffer>
}

const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

/** Our own, in the folder `page`. */
const OWN = [
  ...['index.html', 'style.css', 'icon.svg', 'page.js', 'charts.js', 'curves.js', 'dom.js'],
  ...['downsample.js', 'epoch-table.js', 'event-stream.js', 'format.js', 'run-list.js'],
  ...['sample-predictions.js', 'series.js'],
]

/** What the page is made of, by the path that it is asked for with: nothing else can be had. */
export const PAGE_FILES: ReadonlyMap<string, PageFile> = new Map([
  ...OWN.map((name): [string, PageFile] => [
    name === 'index.html' ? '/' : `/${name}`,
    file(name, () => join(PAGE_ROOT, name)),
  ]),
  ['/uplot.js', file('uplot.js', () => require.resolve('uplot/dist/uPlot.esm.js'))],
  ['/uplot.css', file('uplot.css', () => require.resolve('uplot/dist/uPlot.min.css'))],
])

function file(name: string, path: () => string): PageFile {
  const ending = name.slice(name.lastIndexOf('.') + 1) as keyof typeof TYPES
  return { type: TYPES[ending], read: () => readFile(path()) }
}
