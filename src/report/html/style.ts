/** Theme colors, as CSS custom properties. */
const LIGHT = `
  color-scheme: light;
  --paper: #ffffff; --raised: #f5f7f9; --ink: #1c1e21; --faint: #57606a; --line: #d5dae1;
  --link: #0a58ad; --good: #176b33; --bad: #b4232c; --bar: #cfe4f5;
`
const DARK = `
  color-scheme: dark;
  --paper: #14171c; --raised: #1d2229; --ink: #e8eaed; --faint: #a9b3bf; --line: #39424d;
  --link: #86c2ff; --good: #63d489; --bad: #ff8f88; --bar: #1f4a6b;
`

/**
 * Dark-mode replacements of the chart colors in `charts/theme.ts`. The colors are SVG attributes,
 * which any CSS rule overrides.
 */
const DARK_FIGURES: readonly [from: string, to: string][] = [
  ['#222222', '#e8eaed'],
  ['#e4e4e4', '#2e353e'],
  ['#888888', '#8d97a3'],
  ['#0072B2', '#4fb3ee'],
  ['#D55E00', '#ff8f45'],
  ['#009E73', '#35d3a6'],
  ['#CC79A7', '#e8a8ca'],
  ['#E69F00', '#f7bd45'],
  ['#56B4E9', '#a4d8f7'],
  ['#000000', '#ffffff'],
  ['#005a8f', '#2878aa'],
]

function darkFigureRules(): string {
  return DARK_FIGURES.map(
    ([from, to]) =>
      `.plot svg [fill="${from}" i]{fill:${to}} .plot svg [stroke="${from}" i]{stroke:${to}}`,
  ).join('\n')
}

/** Style sheet of a report. */
export const STYLE = `
:root { ${LIGHT} }
@media screen and (prefers-color-scheme: dark) {
:root { ${DARK} }
${darkFigureRules()}
}
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem }
body { margin: 0 auto; max-width: 68rem; padding: 1rem clamp(1rem, 4vw, 2.5rem) 3rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif;
  overflow-wrap: break-word }
h1 { font-size: clamp(1.5rem, 5vw, 2.1rem); line-height: 1.2; margin: 0.6rem 0 0.3rem }
h2 { font-size: 1.3rem; margin: 2.6rem 0 0.7rem; padding-top: 0.8rem; border-top: 1px solid var(--line) }
h3 { font-size: 1.05rem; margin: 1.6rem 0 0.5rem }
a { color: var(--link) }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px }
main:focus { outline: none }
.skip { position: absolute; left: -99rem }
.skip:focus { left: 1rem; top: 0.5rem; background: var(--paper); padding: 0.3rem 0.6rem; z-index: 1 }
.lead { color: var(--faint); margin: 0 0 1rem }
.p { max-width: 46rem; margin: 0 0 0.8rem }
.p ul { margin: 0.3rem 0 0; padding-left: 1.3rem }
.note { max-width: 46rem; background: var(--raised); border-left: 4px solid var(--line);
  padding: 0.6rem 0.9rem; margin: 0.8rem 0 }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; margin: 1rem 0 0; padding: 0 }
nav a { display: inline-block; padding: 0.25rem 0 }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.7rem;
  margin: 1rem 0; padding: 0 }
.tiles div { display: flex; flex-direction: column-reverse; justify-content: flex-end;
  background: var(--raised); border: 1px solid var(--line); border-radius: 8px; padding: 0.7rem 0.9rem }
.tiles dt { color: var(--faint); font-size: 0.86rem; line-height: 1.3 }
.tiles dd { margin: 0.15rem 0 0; font-size: 1.25rem; font-weight: 650; line-height: 1.3; white-space: nowrap }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1.2rem 2rem }
figure { margin: 0 0 0.8rem; min-width: 0 }
.plot svg { display: block; width: 100%; height: auto }
.plot svg > rect:first-child { fill: none }
figcaption { color: var(--faint); font-size: 0.93rem; max-width: 40rem; margin: 0.3rem 0 }
details { margin: 0.5rem 0 }
summary { cursor: pointer; color: var(--link); padding: 0.25rem 0; width: fit-content }
.scroll { overflow-x: auto; max-width: 100%; margin: 0.4rem 0 }
table { border-collapse: collapse; font-size: 0.93rem; font-variant-numeric: tabular-nums }
th, td { padding: 0.28rem 0.75rem 0.28rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line) }
th.number, td.number { text-align: right; padding: 0.28rem 0 0.28rem 1rem; white-space: nowrap }
thead th { color: var(--faint); font-weight: 600; white-space: nowrap }
tbody th { font-weight: 500; min-width: 6rem; max-width: 22rem }
tbody th.number { min-width: 0 }
td.word { min-width: 7rem; max-width: 30rem }
.bar { display: block; min-width: 7rem; padding: 0 0.35rem;
  background: linear-gradient(var(--bar), var(--bar)) left / var(--share) 100% no-repeat;
  print-color-adjust: exact; -webkit-print-color-adjust: exact }
.pictures { list-style: none; margin: 0.6rem 0; padding: 0; display: grid; gap: 1rem 0.8rem;
  grid-template-columns: repeat(auto-fill, minmax(6.4rem, 1fr)) }
.pictures li { display: flex; flex-direction: column; font-size: 0.85rem; line-height: 1.3; min-width: 0 }
.pictures img { width: 6rem; height: 6rem; object-fit: contain; object-position: left bottom; margin-bottom: 0.25rem }
.pictures img.small { image-rendering: pixelated }
bdi, .file { overflow-wrap: anywhere }
.label { font-weight: 600 }
.good { color: var(--good) }
.bad { color: var(--bad) }
.file { color: var(--faint); font-size: 0.78rem; display: -webkit-box; -webkit-box-orient: vertical;
  -webkit-line-clamp: 3; overflow: hidden }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: 0.7rem 0.9rem;
  overflow-x: auto; font-size: 0.88rem; line-height: 1.45; max-height: 32rem }
code { font-family: ui-monospace, 'SF Mono', Menlo, 'DejaVu Sans Mono', Consolas, monospace; font-size: 0.92em }
pre code { font-size: 1em; overflow-wrap: normal }
footer { color: var(--faint); font-size: 0.88rem; border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 0.8rem }
@media (max-width: 34rem) {
  table { font-size: 0.87rem }
  td.word { min-width: 5rem; padding-right: 0.5rem; overflow-wrap: anywhere }
  .pictures { grid-template-columns: repeat(auto-fill, minmax(5.4rem, 1fr)); gap: 0.9rem 0.6rem }
  .pictures img { width: 5.2rem; height: 5.2rem }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt }
  nav, .skip, details:not([open]) { display: none }
  h2 { break-after: avoid; margin-top: 1.4rem }
  figure, .pictures li, tr, .tiles div { break-inside: avoid }
  .plots { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) }
  .plots .beside { grid-column: 1 / -1 }
  section > p { break-after: avoid }
  .scroll { overflow: visible }
  pre { max-height: none; white-space: pre-wrap }
  a { color: inherit; text-decoration: none }
}
`
