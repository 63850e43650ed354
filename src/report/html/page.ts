import { type Content, type Html, html } from './html.js'
import { STYLE } from './style.js'

/** A part of a page, which can be gone to from its beginning. */
export interface Section {
  id: string
  title: string
  content: Content
}

/**
 * A page that needs nothing but itself. Its policy forbids it everything else: no script runs in
 * it and nothing is fetched, whatever a class or a file is called.
 */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

export function page(
  title: string,
  lead: Content,
  sections: readonly Section[],
  foot: Content,
): string {
  const contents = sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>\n`)
  const parts = sections.map(
    ({ id, title, content }) =>
      html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${content}
</section>\n`,
  )
  const body: Html = html`<a class="skip" href="#content">Skip to the content</a>
<header><h1>${title}</h1>
${lead}</header>
<nav aria-label="Contents"><ul>${contents}</ul></nav>
<main id="content" tabindex="-1">
${parts}</main>
<footer>${foot}</footer>`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="residual">
<title>${html`${title}`.markup}</title>
<style>${STYLE}</style>
</head>
<body>
${body.markup}
</body>
</html>
`
}
