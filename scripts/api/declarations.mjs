import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SyntaxKind } from 'typescript/unstable/ast'
import { API } from 'typescript/unstable/sync'

/**
 * A doc comment.
 *
 * @typedef {object} Comment
 * @property {string} text Markdown; '' without a comment
 * @property {Map<string, string>} params descriptions by parameter name
 * @property {string} returns
 * @property {string[]} throws
 * @property {string[]} examples
 */

/**
 * @typedef {object} Parameter
 * @property {string} name '' for a destructured parameter
 * @property {string} type
 * @property {boolean} optional
 */

/**
 * A member of a declaration: a key, an accessor, or a method with all its overloads.
 *
 * @typedef {object} Member
 * @property {string} name
 * @property {'key' | 'method'} kind
 * @property {string} type type of a key
 * @property {boolean} optional
 * @property {string[]} signatures signatures of a method
 * @property {Parameter[]} parameters parameters of the first signature of a method
 * @property {Comment} comment
 */

/**
 * An exported declaration.
 *
 * @typedef {object} Declaration
 * @property {string} name
 * @property {'function' | 'class' | 'interface' | 'type' | 'constant'} kind
 * @property {Comment} comment
 * @property {string} type source of a type alias or of the type of a constant
 * @property {string} heritage `extends` and `implements` clauses
 * @property {string[]} signatures signatures of a function, or of the constructor of a class
 * @property {Parameter[]} parameters
 * @property {Member[]} members
 * @property {{ word: string, type: string }[]} variants variants of a union discriminated by `type`
 * @property {string[]} mentions other exported names, in order of appearance
 * @property {string[]} sources text of each declaration with its comment; overloads have several
 */

/**
 * Parses the declarations of the package.
 *
 * @param {string} text content of index.d.ts
 * @param {string} folder working folder of the compiler
 * @returns {Promise<{ about: string, head: string, exports: string[],
 *   declarations: Map<string, Declaration> }>} `head` is the package comment, `exports` are the
 *   `export { ... }` statements
 */
export async function readDeclarations(text, folder) {
  await mkdir(folder, { recursive: true })
  const config = { compilerOptions: { noResolve: true, types: [] }, files: ['index.d.ts'] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await writeFile(join(folder, 'index.d.ts'), text)
  const api = new API({ cwd: folder })
  try {
    const snapshot = api.updateSnapshot({ openProjects: [join(folder, 'tsconfig.json')] })
    const file = snapshot.getProjects()[0]?.program.getSourceFile(join(folder, 'index.d.ts'))
    if (file === undefined) throw new Error('the compiler did not read index.d.ts')
    return new Reader(text).read(file)
  } finally {
    api.close()
  }
}

/** @typedef {any} Node node of the syntax tree; the compiler API has no type for each kind */

class Reader {
  /** @type {Map<string, Declaration>} */
  #declarations = new Map()
  /** @type {string[]} */
  #exports = []
  #text

  /** @param {string} text */
  constructor(text) {
    this.#text = text
  }

  /** @param {Node} file */
  read(file) {
    const [first] = file.statements
    const about = first.jsDoc?.find((/** @type {Node} */ comment) =>
      comment.tags?.some((/** @type {Node} */ tag) => tag.tagName.text === 'packageDocumentation'),
    )
    for (const statement of file.statements) {
      this.#declare(statement)
      const name = statement.name?.text ?? statement.declarationList?.declarations[0].name.text
      this.#declarations.get(name)?.sources.push(this.#withComment(statement))
    }
    for (const declaration of this.#declarations.values()) {
      const { name, mentions } = declaration
      const known = mentions.filter((other) => other !== name && this.#declarations.has(other))
      declaration.mentions = [...new Set(known)]
    }
    return {
      about: words(about?.comment),
      head: about === undefined ? '' : this.#text.slice(about.pos, about.end).trim(),
      exports: this.#exports,
      declarations: this.#declarations,
    }
  }

  /** @param {Node} node */
  #declare(node) {
    switch (node.kind) {
      case SyntaxKind.FunctionDeclaration: {
        const present = this.#declarations.get(node.name.text)
        const declaration = present ?? this.#begin(node, node.name.text, 'function')
        declaration.signatures.push(this.#signature(node))
        declaration.mentions.push(...this.#mentions(node))
        return
      }
      case SyntaxKind.ClassDeclaration:
      case SyntaxKind.InterfaceDeclaration: {
        const kind = node.kind === SyntaxKind.ClassDeclaration ? 'class' : 'interface'
        const declaration = this.#begin(node, node.name.text, kind)
        declaration.heritage = (node.heritageClauses ?? [])
          .map((/** @type {Node} */ clause) => this.#source(clause))
          .join(' ')
        this.#addMembers(declaration, node.members)
        return
      }
      case SyntaxKind.TypeAliasDeclaration: {
        const declaration = this.#begin(node, node.name.text, 'type')
        declaration.type = this.#source(node.type)
        if (node.type.kind === SyntaxKind.TypeLiteral)
          this.#addMembers(declaration, node.type.members)
        if (node.type.kind === SyntaxKind.UnionType)
          declaration.variants = this.#variants(node.type)
        return
      }
      case SyntaxKind.VariableStatement:
        for (const variable of node.declarationList.declarations) {
          const declaration = this.#begin(node, variable.name.text, 'constant')
          declaration.type = this.#source(variable.type)
          if (variable.type.kind === SyntaxKind.TypeLiteral) {
            this.#addMembers(declaration, variable.type.members)
          }
        }
        return
      case SyntaxKind.ExportDeclaration:
        if (node.exportClause.elements.length > 0) this.#exports.push(this.#source(node))
        return
      default:
        throw new Error(`unsupported statement: ${this.#source(node)}`)
    }
  }

  /**
   * @param {Node} node
   * @param {string} name
   * @param {Declaration['kind']} kind
   */
  #begin(node, name, kind) {
    /** @type {Declaration} */
    const declaration = {
      ...{ name, kind, comment: this.#comment(node), type: '', heritage: '', signatures: [] },
      parameters: kind === 'function' ? this.#parameters(node) : [],
      members: [],
      variants: [],
      sources: [],
      mentions: kind === 'function' ? [] : this.#mentions(node),
    }
    this.#declarations.set(name, declaration)
    return declaration
  }

  /**
   * @param {Declaration} declaration
   * @param {readonly Node[]} members
   */
  #addMembers(declaration, members) {
    for (const node of members) {
      const isHidden = node.modifiers?.some(
        (/** @type {Node} */ { kind }) => kind === SyntaxKind.PrivateKeyword,
      )
      // Symbol.asyncDispose and Symbol.asyncIterator are described in the comment of the class.
      if (isHidden || node.name?.kind === SyntaxKind.ComputedPropertyName) continue
      if (node.name?.kind === SyntaxKind.PrivateIdentifier) continue
      if (node.kind === SyntaxKind.Constructor) {
        const source = this.#signature(node).replace('constructor', `new ${declaration.name}`)
        declaration.signatures.push(source)
        declaration.parameters = this.#parameters(node)
        continue
      }
      const name = node.name.text
      const present = declaration.members.find((member) => member.name === name)
      if (isMethod(node) && present !== undefined) {
        present.signatures.push(this.#signature(node))
        continue
      }
      declaration.members.push({
        ...{ name, kind: isMethod(node) ? 'method' : 'key', comment: this.#comment(node) },
        type: isMethod(node) ? '' : this.#source(node.type),
        optional: !isMethod(node) && this.#isOptional(node),
        signatures: isMethod(node) ? [this.#signature(node)] : [],
        parameters: isMethod(node) ? this.#parameters(node) : [],
      })
    }
  }

  /**
   * `({ type: 'sgd' } & SgdConfig) | ...`
   *
   * @param {Node} union
   */
  #variants(union) {
    return union.types.flatMap((/** @type {Node} */ part) => {
      const inner = part.kind === SyntaxKind.ParenthesizedType ? part.type : part
      const [tag, keys] = inner.kind === SyntaxKind.IntersectionType ? inner.types : []
      const [member] = tag?.kind === SyntaxKind.TypeLiteral ? tag.members : []
      if (member?.name.text !== 'type') return []
      return [{ word: this.#source(member.type), type: this.#source(keys) }]
    })
  }

  /** @param {Node} node */
  #signature(node) {
    const body = this.#source(node)
      .replace(/^export declare /, '')
      .replace(/^declare /, '')
      .replace(/;$/, '')
    // The keys of a destructured parameter are not part of the signature.
    return body.replace(/\{[^{}]*\}(\??: [A-Z])/g, 'options$1')
  }

  /**
   * @param {Node} node
   * @returns {Parameter[]}
   */
  #parameters(node) {
    return node.parameters.map((/** @type {Node} */ parameter) => ({
      name: parameter.name.text ?? '',
      type: this.#source(parameter.type),
      optional: this.#isOptional(parameter),
    }))
  }

  /** @param {Node} node */
  #isOptional(node) {
    const { name, type } = node
    if (name === undefined || type === undefined) return false
    return this.#text.slice(name.end, type.getStart()).includes('?')
  }

  /**
   * @param {Node} node
   * @returns {string[]}
   */
  #mentions(node) {
    /** @type {string[]} */
    const names = []
    const visit = (/** @type {Node} */ inner) => {
      if (inner.kind === SyntaxKind.TypeReference) names.push(inner.typeName.text)
      if (inner.kind === SyntaxKind.ExpressionWithTypeArguments) names.push(inner.expression.text)
      inner.forEachChild(visit)
    }
    node.forEachChild(visit)
    return names
  }

  /**
   * @param {Node} node
   * @returns {Comment}
   */
  #comment(node) {
    const own = node.jsDoc?.at(-1)
    /** @type {Comment} */
    const comment = {
      text: words(own?.comment),
      params: new Map(),
      returns: '',
      throws: [],
      examples: [],
    }
    for (const tag of own?.tags ?? []) {
      const text = words(tag.comment)
      if (tag.tagName.text === 'param') comment.params.set(tag.name.text, text)
      else if (tag.tagName.text === 'returns') comment.returns = text
      else if (tag.tagName.text === 'throws') comment.throws.push(text)
      else if (tag.tagName.text === 'example') comment.examples.push(text)
      else if (tag.tagName.text !== 'packageDocumentation') {
        throw new Error(`@${tag.tagName.text} is not supported: ${text}`)
      }
    }
    return comment
  }

  /**
   * Returns a statement with its doc comment, but without the package comment.
   *
   * @param {Node} node
   */
  #withComment(node) {
    const comment = node.jsDoc?.at(-1)
    const isOwn = !comment?.tags?.some(
      (/** @type {Node} */ tag) => tag.tagName.text === 'packageDocumentation',
    )
    const start = comment !== undefined && isOwn ? comment.pos : node.getStart()
    return this.#text.slice(start, node.end).trim()
  }

  /** @param {Node} node */
  #source(node) {
    return this.#text.slice(node.getStart(), node.end)
  }
}

/** @param {Node} node */
function isMethod({ kind }) {
  return kind === SyntaxKind.MethodDeclaration || kind === SyntaxKind.MethodSignature
}

/** @param {readonly { text: string }[] | undefined} comment */
function words(comment) {
  return (comment ?? [])
    .map(({ text }) => text)
    .join('')
    .trim()
}
