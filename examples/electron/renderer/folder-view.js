import { create, element, showText } from './dom.js'
import { plural } from './format.js'

/**
 * The pictures of the chosen folder.
 *
 * @typedef {object} FolderSummary
 * @property {string} name
 * @property {string | null} problem
 * @property {{ name: string, count: number, thumbnails: string[] }[]} classes
 */

/**
 * Shows the pictures of a folder, or the start page without one.
 *
 * @param {FolderSummary | null} folder
 */
export function showFolder(folder) {
  element('start').hidden = folder !== null
  element('work').hidden = folder === null
  element('choose').hidden = folder === null
  if (folder === null) return
  const count = folder.classes.reduce((sum, { count }) => sum + count, 0)
  const total = `${plural(count, 'picture')} of ${plural(folder.classes.length, 'kind')}`
  element('folder-name').textContent = count === 0 ? folder.name : `${folder.name} · ${total}`
  showText(element('folder-problem'), folder.problem)
  element('classes').replaceChildren(...folder.classes.map(renderClass))
}

/** @param {FolderSummary['classes'][number]} pictures */
function renderClass({ name, count, thumbnails }) {
  const images = thumbnails.map((source) => {
    const image = document.createElement('img')
    image.loading = 'lazy'
    image.alt = ''
    // The path alone does not change with the folder.
    image.src = `${source}?${Date.now()}`
    return image
  })
  const label = create('span', 'count', plural(count, 'picture'))
  const heading = create('div', 'name', create('span', '', name), label)
  return create('li', '', heading, create('div', 'thumbnails', ...images))
}
