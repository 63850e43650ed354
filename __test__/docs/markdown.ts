import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import GithubSlugger from 'github-slugger'
import MarkdownIt from 'markdown-it'
import { ROOT } from '../child.js'

/** A code block of a page, with the annotations in the comment directly above the block. */
export interface Block {
  /** Path of the page in the repository: `docs/cli.md`. */
  path: string
  /** First line of its code, from 1. */
  line: number
  /** Language of the fence; empty for an indented block and a fence without a language. */
  language: string
  text: string
  /** Reason in `<!-- not run: reason -->`. */
  notRun: string | undefined
  /** File name in `<!-- file: train.mjs -->`, under which readers save the code. */
  file: string | undefined
}

/** Token of markdown-it, with the fields that are read here. */
interface Token {
  type: string
  content: string
}

/** A link of a page. */
export interface Link {
  line: number
  target: string
}

/** A command of residual in a sentence, possibly without its required arguments. */
export interface Command {
  /** First line of its paragraph. */
  line: number
  text: string
}

export interface Page {
  /** Path in the repository. */
  path: string
  blocks: Block[]
  links: Link[]
  /** Commands in sentences, such as `residual doctor`. */
  commands: Command[]
  /** Link targets after `#`: the slugs of headings, and the ids of `<a id="...">`. */
  anchors: Set<string>
}

const ANNOTATION = /<!--\s*(not run|file):\s*([\s\S]*?)\s*-->/g

/** All pages of the documentation. */
export const PAGES: readonly Page[] = [
  ...['README.md', 'README.zh-CN.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'SECURITY.md'],
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .sort()
    .map((path) => join('docs', path)),
].map(readPage)

/** Parses a page as GitHub does. */
export function readPage(path: string): Page {
  const page: Page = { path, blocks: [], links: [], commands: [], anchors: new Set() }
  const slugger = new GithubSlugger()
  const tokens = new MarkdownIt({ html: true }).parse(readFileSync(join(ROOT, path), 'utf8'), {})
  for (const [index, token] of tokens.entries()) {
    const { type, content, info, map } = token
    const line = (map?.[0] ?? 0) + 1
    if (type === 'fence' || type === 'code_block') {
      const above = tokens[index - 1]
      const annotations = new Map<string, string>()
      if (above?.type === 'html_block') {
        for (const [, name = '', value = ''] of above.content.matchAll(ANNOTATION)) {
          annotations.set(name, value)
        }
      }
      page.blocks.push({
        path,
        line: type === 'fence' ? line + 1 : line,
        language: info.trim().split(/\s/)[0] ?? '',
        text: content,
        notRun: annotations.get('not run'),
        file: annotations.get('file'),
      })
    } else if (type === 'inline') {
      for (const inner of token.children ?? []) {
        const target = inner.attrGet('href') ?? inner.attrGet('src')
        if (target !== null) page.links.push({ line, target: String(target) })
        const isCommand = inner.type === 'code_inline' && /^(npx )?residual /.test(inner.content)
        if (isCommand) page.commands.push({ line, text: inner.content })
      }
      if (tokens[index - 1]?.type === 'heading_open') {
        const isText = ({ type }: Token) => /^(text|code_inline)$/.test(type)
        const textTokens = (token.children ?? []).filter(isText)
        page.anchors.add(slugger.slug(textTokens.map(({ content }) => content).join('')))
      }
    }
    const html = type === 'html_block' ? content : inlineHtml(token.children ?? [])
    for (const [, id = ''] of html.matchAll(/<a id="([^"]+)"/g)) page.anchors.add(id)
  }
  return page
}

/** Concatenates the HTML tags in the children of an inline token. */
function inlineHtml(children: readonly Token[]): string {
  return children
    .filter(({ type }) => type === 'html_inline')
    .map(({ content }) => content)
    .join('')
}
