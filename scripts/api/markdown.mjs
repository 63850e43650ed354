import GithubSlugger from 'github-slugger'
import { lay, PLANS } from './pages.mjs'

/** @typedef {import('./declarations.mjs').Comment} Comment */
/** @typedef {import('./declarations.mjs').Declaration} Declaration */
/** @typedef {import('./declarations.mjs').Member} Member */
/** @typedef {import('./declarations.mjs').Parameter} Parameter */

const NOTE =
  '<!-- Made by `npm run generate` from the comments in src and crates/spec: change those. -->'

/** Examples that cannot be tried in a moment, with the reason. */
const NOT_RUN = new Map([
  ['downloadDataset', 'needs a download (MNIST, 12 MB)'],
  ['verifyDataset', 'needs a download (MNIST, 12 MB)'],
])

/**
 * The API reference.
 *
 * @param {string} about
 * @param {ReadonlyMap<string, Declaration>} declarations
 * @returns {Map<string, string>} pages, by their file
 */
export function writePages(about, declarations) {
  const laid = lay(declarations)
  /** @type {Map<string, string>} */
  const places = new Map()
  for (const [file, names] of laid) {
    const slugger = new GithubSlugger() // tells `dashboard` from `Dashboard`, as GitHub does
    slugger.slug(PLANS.find((plan) => plan.file === file)?.title ?? '')
    for (const name of names) {
      places.set(name, `${file}#${slugger.slug(name)}`)
      for (const member of declarations.get(name)?.members ?? []) {
        if (member.kind === 'method') slugger.slug(`${name}.${member.name}`)
      }
    }
  }
  /** @type {Map<string, string>} */
  const pages = new Map([['README.md', writeContents(about, declarations, places)]])
  for (const { file, title, about } of PLANS) {
    const writer = new Writer(file, declarations, places)
    const names = laid.get(file) ?? []
    pages.set(
      file,
      joined([`# ${title}`, NOTE, about, ...names.flatMap((name) => writer.write(name))]),
    )
  }
  return pages
}

/**
 * @param {string} about
 * @param {ReadonlyMap<string, Declaration>} declarations
 * @param {ReadonlyMap<string, string>} places
 */
function writeContents(about, declarations, places) {
  const writer = new Writer('README.md', declarations, new Map())
  const sections = PLANS.flatMap(({ file, title, about: what, names }) => {
    const rows = names.map((name) => {
      const declaration = /** @type {Declaration} */ (declarations.get(name))
      const shown = declaration.kind === 'function' ? `${name}()` : name
      return [`[\`${shown}\`](${places.get(name)})`, firstSentence(declaration.comment.text)]
    })
    return [`## [${title}](${file})`, firstSentence(what), writer.table(['', ''], rows)]
  })
  const index = [...places.keys()]
    .filter((name) => !name.startsWith('Resolved'))
    .sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1))
    .map((name) => `[${name}](${places.get(name)})`)
  return joined([
    '# API',
    NOTE,
    about,
    "```ts\nimport { train } from 'residual'\n```",
    'Every command has a function of the same name ([how to run an example](../README.md#running-the-examples)). Types are strict, also under `exactOptionalPropertyTypes`: ' +
      'a key that may be left out may be `undefined` too. Losses are in nats, accuracies and probabilities are ' +
      'shares from 0 to 1, times are in seconds, sizes in pixels or bytes, and paths in results are absolute.',
    ...sections,
    '## All names',
    index.join(', '),
  ])
}

/** Writes the declarations of one page. */
class Writer {
  #file
  #declarations
  #places

  /**
   * @param {string} file
   * @param {ReadonlyMap<string, Declaration>} declarations
   * @param {ReadonlyMap<string, string>} places
   */
  constructor(file, declarations, places) {
    this.#file = file
    this.#declarations = declarations
    this.#places = places
  }

  /**
   * @param {string} name
   * @returns {string[]} paragraphs
   */
  write(name) {
    const declaration = /** @type {Declaration} */ (this.#declarations.get(name))
    const { kind, comment, members, parameters, variants } = declaration
    if (comment.text === '') throw new Error(`${name} has no comment`)
    const methods = members.filter((member) => member.kind === 'method')
    const isFunction = kind === 'function'
    if (isFunction && comment.examples.length === 0) throw new Error(`${name}() has no example`)
    return [
      `## ${name}`,
      ...this.#head(declaration),
      comment.text,
      ...(isFunction ? this.#called(name, parameters, comment) : []),
      ...(variants.length > 0 ? [this.#variants(variants)] : []),
      ...this.#keys(members.filter((member) => member.kind === 'key')),
      ...(isFunction ? [] : this.#examples(name, comment)),
      ...methods.flatMap((member) => this.#method(name, member)),
    ]
  }

  /** @param {Declaration} declaration */
  #head({ kind, signatures, heritage, type, members, variants }) {
    if (kind === 'function' || (kind === 'class' && signatures.length > 0)) {
      return [signature(signatures)]
    }
    if (kind === 'interface' && heritage !== '')
      return [`Everything of ${this.#type(heritage.slice(8))}, and:`]
    if (kind !== 'type' || members.length > 0 || variants.length > 0) return []
    if (type === 'Record<symbol, never>') return ['It has no keys of its own.']
    return [this.#type(type)]
  }

  /**
   * @param {string} name
   * @param {readonly Parameter[]} parameters
   * @param {Comment} comment
   */
  #called(name, parameters, comment) {
    const rows = parameters.flatMap(({ name, type, optional }) => {
      const said = comment.params.get(name || 'options') ?? this.#ofType(type)
      const shown = `\`${name || 'options'}${optional ? '?' : ''}\``
      return said === '' ? [] : [[shown, this.#type(type, optional), said]]
    })
    const known = new Set(parameters.map((parameter) => parameter.name || 'options'))
    for (const param of comment.params.keys()) {
      // Of an overload: `image` or `images`.
      if (!known.has(param)) throw new Error(`${name}() has no parameter ${param}`)
    }
    return [
      ...(rows.length > 0 ? [this.table(['Parameter', 'Type', ''], rows)] : []),
      ...(comment.returns === '' ? [] : [`**Gives** ${comment.returns}`]),
      ...comment.throws.map(
        (text) => `**Throws** [ResidualError](${this.#place('ResidualError')}): ${text}`,
      ),
      ...this.#examples(name, comment),
    ]
  }

  /**
   * What is said of a parameter by its type alone.
   *
   * @param {string} type
   */
  #ofType(type) {
    return firstSentence(this.#declarations.get(type)?.comment.text ?? '')
  }

  /**
   * @param {string} name
   * @param {Comment} comment
   */
  #examples(name, { examples }) {
    const notRun = NOT_RUN.get(name)
    return examples.map((example) => {
      const used = [...this.#declarations.values()]
        .filter(({ kind }) => kind === 'function' || kind === 'class' || kind === 'constant')
        .map((declaration) => declaration.name)
        .filter((other) => new RegExp(`(?<![.\\w'])${other}\\b(?!['\\w])`).test(example))
      const modules = /\bwriteFile\(/.test(example)
        ? "import { writeFile } from 'node:fs/promises'\n"
        : ''
      const imports = `${modules}import { ${used.sort().join(', ')} } from 'residual'\n\n`
      const mark = notRun === undefined ? '' : `<!-- not run: ${notRun} -->\n`
      return `${mark}${code((example.startsWith('import ') ? '' : imports) + example)}`
    })
  }

  /** @param {Declaration['variants']} variants */
  #variants(variants) {
    const rows = variants.map(({ word, type }) => [
      `\`${word}\``,
      this.#type(type),
      this.#ofType(type),
    ])
    return this.table(['`type`', 'Keys', ''], rows)
  }

  /** @param {readonly Member[]} keys */
  #keys(keys) {
    if (keys.length === 0) return []
    const rows = keys.map(({ name, type, optional, comment }) => [
      `\`${name}${optional ? '?' : ''}\``,
      this.#type(type, optional),
      comment.text,
    ])
    return [this.table(['Key', 'Type', ''], rows)]
  }

  /**
   * @param {string} owner
   * @param {Member} method
   */
  #method(owner, { name, signatures, parameters, comment }) {
    if (comment.text === '') throw new Error(`${owner}.${name}() has no comment`)
    return [
      `### ${owner}.${name}`,
      signature(signatures),
      comment.text,
      ...(parameters.length > 0 ? this.#called(name, parameters, comment) : []),
    ]
  }

  /**
   * A type, with links to what it mentions.
   *
   * @param {string} type as it is written
   * @param {boolean} [optional] may be left out, which says that it may be undefined
   */
  #type(type, optional = false) {
    const line = type.replace(/\s*\n\s*/g, ' ')
    const short = optional ? line.replace(/ \| undefined$/, '') : line
    return short
      .split(' | ')
      .map((part) => this.#linked(part))
      .join(' \\| ')
  }

  /** @param {string} text */
  #linked(text) {
    return text
      .split(/\b([A-Z]\w+)\b/)
      .filter((part) => part !== '')
      .map((part) => {
        const place = this.#places.has(part) ? this.#place(part) : undefined
        return place === undefined ? `\`${part}\`` : `[\`${part}\`](${place})`
      })
      .join('')
      .replaceAll('``', '')
  }

  /** @param {string} name */
  #place(name) {
    const place = this.#places.get(name) ?? ''
    return place.startsWith(`${this.#file}#`) ? place.slice(this.#file.length) : place
  }

  /**
   * @param {readonly string[]} heading
   * @param {readonly (readonly string[])[]} rows
   */
  table(heading, rows) {
    const line = (/** @type {readonly string[]} */ cells) => `| ${cells.join(' | ')} |`
    const rule = `|${heading.map(() => '---').join('|')}|`
    return [line(heading), rule, ...rows.map((cells) => line(cells.map(cell)))].join('\n')
  }
}

/**
 * Text in one line of a table, where a bar would begin another cell.
 *
 * @param {string} text
 */
function cell(text) {
  return text.replace(/\s*\n\s*/g, ' ').replace(/(?<!\\)\|/g, '\\|')
}

/**
 * What is no program of its own, and is not tried as one.
 *
 * @param {readonly string[]} lines
 */
function signature(lines) {
  return `\`\`\`typescript\n${lines.join('\n')}\n\`\`\``
}

/** @param {string} text */
function code(text) {
  return `\`\`\`ts\n${text}\n\`\`\``
}

/** @param {string} text */
function firstSentence(text) {
  const [paragraph = ''] = text.split('\n\n')
  const line = paragraph.replace(/\s*\n\s*/g, ' ')
  return /^.*?[.:](?= [A-Z(]|$)/.exec(line)?.[0] ?? line
}

/** @param {readonly string[]} paragraphs */
function joined(paragraphs) {
  return `${paragraphs.join('\n\n')}\n`
}
