import { readFile } from 'node:fs/promises'
import { packageFile, requireFromPackage } from '../native/loading/package-files.js'

/** A file of the page with its media type. */
export interface StaticFile {
  type: string
  read: () => Promise<Buffer>
}

const MEDIA_TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
}

/** Files in the folder `page`. */
const PAGE_FILES = [
  ...['index.html', 'style.css', 'icon.svg', 'page.js', 'charts.js', 'curves.js', 'dom.js'],
  ...['downsample.js', 'epoch-table.js', 'event-stream.js', 'format.js', 'run-details.js'],
  ...['run-list.js', 'sample-predictions.js', 'series.js', 'stop-control.js'],
]

/** All static files by URL path; no other file is served. */
export const STATIC_FILES: ReadonlyMap<string, StaticFile> = new Map([
  ...PAGE_FILES.map((name): [string, StaticFile] => [
    name === 'index.html' ? '/' : `/${name}`,
    staticFile(name, () => packageFile('src', 'dashboard', 'page', name)),
  ]),
  [
    '/uplot.js',
    staticFile('uplot.js', () => requireFromPackage().resolve('uplot/dist/uPlot.esm.js')),
  ],
  [
    '/uplot.css',
    staticFile('uplot.css', () => requireFromPackage().resolve('uplot/dist/uPlot.min.css')),
  ],
])

function staticFile(name: string, path: () => string): StaticFile {
  const extension = name.slice(name.lastIndexOf('.') + 1) as keyof typeof MEDIA_TYPES
  return { type: MEDIA_TYPES[extension], read: () => readFile(path()) }
}
