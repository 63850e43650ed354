import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import GithubSlugger from 'github-slugger'
import MarkdownIt from 'markdown-it'
import { ROOT } from '../child.js'

/** A code block of a page, and what the comments right above it say of it. */
export interface Block {
  /** In the repository: `docs/cli.md`. */
  page: string
  /** Where its code begins, from 1. */
  line: number
  /** Of a block that is indented instead of fenced, and of a fence that names none: ''. */
  language: string
  text: string
  /** `<!-- not run: why -->` */
  notRun: string | undefined
  /** `<!-- file: train.mjs -->`: what the reader is told to save it as. */
  file: string | undefined
}

/** Where a page leads to. */
export interface Link {
  line: number
  target: string
}

/** A command of ours that a sentence names, often without all that it takes. */
export interface Command {
  /** Where its paragraph begins. */
  line: number
  text: string
}

export interface Page {
  /** In the repository. */
  path: string
  blocks: Block[]
  links: Link[]
  /** In sentences: `residual doctor`. */
  commands: Command[]
  /** What a link can have behind `#`. */
  anchors: Set<string>
}

const MARK = /<!--\s*(not run|file):\s*([\s\S]*?)\s*-->/g

/** All pages that people read. */
export const PAGES: readonly Page[] = [
  ...['README.md', 'README.zh-CN.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md'],
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .sort()
    .map((path) => join('docs', path)),
].map(readPage)

/** Reads a page as GitHub does. */
export function readPage(path: string): Page {
  const page: Page = { path, blocks: [], links: [], commands: [], anchors: new Set() }
  const slugger = new GithubSlugger()
  const tokens = new MarkdownIt({ html: true }).parse(readFileSync(join(ROOT, path), 'utf8'), {})
  for (const [index, token] of tokens.entries()) {
    const { type, content, info, map } = token
    const line = (map?.[0] ?? 0) + 1
    if (type === 'fence' || type === 'code_block') {
      const above = tokens[index - 1]
      const marks = new Map<string, string>()
      if (above?.type === 'html_block') {
        for (const [, name = '', value = ''] of above.content.matchAll(MARK)) marks.set(name, value)
      }
      page.blocks.push({
        page: path,
        line: type === 'fence' ? line + 1 : line,
        language: info.trim().split(/\s/)[0] ?? '',
        text: content,
        notRun: marks.get('not run'),
        file: marks.get('file'),
      })
    } else if (type === 'inline') {
      for (const inner of token.children ?? []) {
        const target = inner.attrGet('href') ?? inner.attrGet('src')
        if (target !== null) page.links.push({ line, target: String(target) })
        const isCommand = inner.type === 'code_inline' && /^(npx )?residual /.test(inner.content)
        if (isCommand) page.commands.push({ line, text: inner.content })
      }
      if (tokens[index - 1]?.type === 'heading_open') {
        const words = (token.children ?? []).filter(({ type }) => /^(text|code_inline)$/.test(type))
        page.anchors.add(slugger.slug(words.map((word) => word.content).join('')))
      }
    }
    const html = type === 'html_block' ? content : htmlOf(token.children ?? [])
    for (const [, id = ''] of html.matchAll(/<a id="([^"]+)"/g)) page.anchors.add(id)
  }
  return page
}

function htmlOf(children: readonly { type: string; content: string }[]): string {
  return children
    .filter(({ type }) => type === 'html_inline')
    .map(({ content }) => content)
    .join('')
}
