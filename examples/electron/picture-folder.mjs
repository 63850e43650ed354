import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'

const PICTURE = /\.(jpe?g|png)$/i

/** Thumbnails that the window shows of each class. */
const SHOWN = 8

/**
 * Pictures of one class.
 *
 * @typedef {object} PictureClass
 * @property {string} name
 * @property {string[]} files absolute paths
 */

/** A folder with one subfolder of pictures for each class. */
export class PictureFolder {
  /**
   * @param {string} path
   * @param {readonly PictureClass[]} classes
   */
  constructor(path, classes) {
    this.path = path
    this.classes = classes
  }

  /**
   * Lists the pictures of a folder. A subfolder that the user may not read has none.
   *
   * @param {string} path
   */
  static async read(path) {
    const entries = await readdir(path, { withFileTypes: true })
    const names = entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name)
      .sort((a, b) => a.localeCompare(b))
    const classes = await Promise.all(
      names.map(async (name) => {
        const files = await readdir(join(path, name)).catch(() => [])
        const pictures = files.filter((file) => PICTURE.test(file)).sort()
        return { name, files: pictures.map((file) => join(path, name, file)) }
      }),
    )
    return new PictureFolder(
      path,
      classes.filter(({ files }) => files.length > 0),
    )
  }

  /** Returns what the window shows. Pictures are named by their position, not by their path. */
  summary() {
    return {
      name: basename(this.path),
      problem: this.#problem(),
      classes: this.classes.map(({ name, files }, index) => ({
        name,
        count: files.length,
        thumbnails: files.slice(0, SHOWN).map((_, position) => `/thumbnails/${index}/${position}`),
      })),
    }
  }

  #problem() {
    if (this.classes.length >= 2) return null
    return this.classes.length === 0
      ? 'This folder has no subfolders with JPEG or PNG pictures. Put the pictures of each kind into a folder of their own.'
      : 'All pictures are in one subfolder. A classifier needs at least two kinds of pictures, each in a folder of its own.'
  }
}
