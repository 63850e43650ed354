import type { ImageGrid } from '../image-grid/grid.js'
import { type Figure, renderFigure } from './html/figure.js'
import { type Content, type Html, html } from './html/html.js'
import type { Section } from './html/page.js'

/** A report before it is written to disk. */
export interface RenderedReport {
  page: string
  figures: Figure[]
  imageGrids: { name: string; grid: ImageGrid }[]
  /** Sections that could not be rendered, with the reason. */
  skipped: { section: string; reason: string }[]
}

/** The content of a section, or the reason why it is missing. */
export type SectionContent = Content | { missing: string }

/** Collects the sections of a report together with the files that belong to them. */
export class ReportBuilder {
  readonly sections: Section[] = []
  readonly figures: Figure[] = []
  readonly imageGrids: RenderedReport['imageGrids'] = []
  readonly skipped: RenderedReport['skipped'] = []

  /** Adds a section, or records why it is missing. */
  add(id: string, title: string, content: SectionContent): void {
    if (typeof content === 'object' && 'missing' in content) {
      this.skipped.push({ section: title, reason: content.missing })
    } else {
      this.sections.push({ id, title, content })
    }
  }

  /**
   * Renders figures, and optionally other content, side by side, and adds the files of the figures.
   */
  plots(figures: readonly (Figure | undefined)[], beside?: Content): Html {
    const available = figures.filter((figure) => figure !== undefined)
    this.figures.push(...available)
    return html`<div class="plots">${available.map(renderFigure)}${beside}</div>`
  }

  /** Adds the file of an image grid. */
  addImageGrid(name: string, grid: ImageGrid): void {
    this.imageGrids.push({ name, grid })
  }
}
